assert square(8) == 64
