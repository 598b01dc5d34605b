assert square(0) == 0
