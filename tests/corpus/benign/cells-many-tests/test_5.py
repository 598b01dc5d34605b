assert square(4) == 16
