assert square(1) == 1
