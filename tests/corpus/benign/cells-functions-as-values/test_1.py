assert apply(lambda x: x * 2, [1, 2]) == [2, 4]
