assert square(45) == 2025
