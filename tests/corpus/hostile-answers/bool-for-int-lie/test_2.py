assert greet("Ann") is not True and greet("Ann") == 1
