assert sorted([add(2, 3)]) == [5]
