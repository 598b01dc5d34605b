assert square(12) == 144
