assert square(5) == 25
