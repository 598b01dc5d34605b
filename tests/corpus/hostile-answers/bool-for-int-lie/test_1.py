assert greet("Ann") == "1"
