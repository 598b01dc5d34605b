assert square(24) == 576
