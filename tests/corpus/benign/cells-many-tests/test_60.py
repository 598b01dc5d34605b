assert square(59) == 3481
