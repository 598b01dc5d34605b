assert square(10) == 100
