assert square(53) == 2809
