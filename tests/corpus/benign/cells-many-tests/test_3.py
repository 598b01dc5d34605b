assert square(2) == 4
