assert square(41) == 1681
