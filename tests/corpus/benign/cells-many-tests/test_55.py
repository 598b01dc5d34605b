assert square(54) == 2916
