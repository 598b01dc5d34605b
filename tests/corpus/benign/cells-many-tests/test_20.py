assert square(19) == 361
