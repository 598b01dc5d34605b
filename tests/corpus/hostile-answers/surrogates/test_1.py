assert greet("Ann") == "hello Ann"
