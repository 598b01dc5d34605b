assert sorted([add(2, 3), 1.0]) == [1.0, 5.0]
