assert [double(x) for x in range(3)] == [0, 2, 4]
