assert apply(str.upper, ["a"]) == ["A"] and apply(len, [[1], []]) == [1, 0]
