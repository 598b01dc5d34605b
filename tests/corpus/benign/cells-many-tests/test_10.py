assert square(9) == 81
