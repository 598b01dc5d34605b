assert greet("bob") == 3
