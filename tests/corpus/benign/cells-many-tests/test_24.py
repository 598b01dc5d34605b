assert square(23) == 529
