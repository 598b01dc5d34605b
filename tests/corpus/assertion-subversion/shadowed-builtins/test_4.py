assert sorted([add(4, 3), add(2, 3)]) == [5, 7]
