assert square(39) == 1521
