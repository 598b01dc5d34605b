assert square(17) == 289
