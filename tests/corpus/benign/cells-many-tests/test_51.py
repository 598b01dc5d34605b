assert square(50) == 2500
