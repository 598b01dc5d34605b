assert square(15) == 225
