assert square(22) == 484
