assert square(3) == 9
