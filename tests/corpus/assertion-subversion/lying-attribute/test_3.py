assert node(1).children[0].total() == 3
