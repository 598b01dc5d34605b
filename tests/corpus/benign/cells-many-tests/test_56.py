assert square(55) == 3025
