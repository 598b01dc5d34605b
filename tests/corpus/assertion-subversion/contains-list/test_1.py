assert add(2, 3) in [5]
