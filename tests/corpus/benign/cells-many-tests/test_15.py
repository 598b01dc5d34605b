assert square(14) == 196
