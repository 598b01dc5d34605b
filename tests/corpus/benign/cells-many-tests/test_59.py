assert square(58) == 3364
