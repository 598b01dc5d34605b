assert colour(1) == 7
