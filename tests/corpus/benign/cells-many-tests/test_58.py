assert square(57) == 3249
