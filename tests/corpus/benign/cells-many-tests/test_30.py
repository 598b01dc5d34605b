assert square(29) == 841
