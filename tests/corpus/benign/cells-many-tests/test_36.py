assert square(35) == 1225
