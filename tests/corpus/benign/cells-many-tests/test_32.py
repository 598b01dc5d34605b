assert square(31) == 961
