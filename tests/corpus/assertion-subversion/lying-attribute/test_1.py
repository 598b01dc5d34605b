assert node(1).value == 1
