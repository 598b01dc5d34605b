assert square(40) == 1600
