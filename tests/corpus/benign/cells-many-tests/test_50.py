assert square(49) == 2401
