assert square(7) == 49
