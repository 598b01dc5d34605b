assert square(32) == 1024
