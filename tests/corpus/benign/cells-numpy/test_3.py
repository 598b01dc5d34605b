assert (scale([1, 2]) == [2, 4]).all()
