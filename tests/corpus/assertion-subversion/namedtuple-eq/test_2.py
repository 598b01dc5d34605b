assert point(1).x == 1
