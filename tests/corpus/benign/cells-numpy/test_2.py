assert scale([1, 2]).tolist() == [2, 4]
