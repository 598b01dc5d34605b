assert square(42) == 1764
