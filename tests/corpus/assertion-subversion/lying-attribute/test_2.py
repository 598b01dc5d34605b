assert node(1).next.value == 2
