assert square(52) == 2704
