assert square(38) == 1444
