assert square(6) == 36
