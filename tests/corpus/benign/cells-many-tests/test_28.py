assert square(27) == 729
