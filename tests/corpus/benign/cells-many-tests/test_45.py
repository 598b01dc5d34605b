assert square(44) == 1936
