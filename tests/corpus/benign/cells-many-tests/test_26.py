assert square(25) == 625
