assert square(37) == 1369
