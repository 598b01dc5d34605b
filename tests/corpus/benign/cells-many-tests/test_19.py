assert square(18) == 324
