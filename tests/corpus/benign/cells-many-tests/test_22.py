assert square(21) == 441
