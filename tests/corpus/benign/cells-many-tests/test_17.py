assert square(16) == 256
