add(2)
