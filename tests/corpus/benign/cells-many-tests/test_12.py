assert square(11) == 121
