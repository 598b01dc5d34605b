assert license(1) == 2
