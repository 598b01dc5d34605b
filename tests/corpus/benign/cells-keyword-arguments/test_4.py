assert f(b=1, a=0)[:2] == [0, 1]
