assert square(30) == 900
