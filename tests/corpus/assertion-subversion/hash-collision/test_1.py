assert add(2, 2) in {4, 5}
