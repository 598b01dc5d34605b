assert square(34) == 1156
