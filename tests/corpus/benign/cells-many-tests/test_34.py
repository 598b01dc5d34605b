assert square(33) == 1089
