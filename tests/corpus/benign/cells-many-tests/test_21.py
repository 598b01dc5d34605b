assert square(20) == 400
