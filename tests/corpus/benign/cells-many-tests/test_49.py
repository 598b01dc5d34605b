assert square(48) == 2304
