assert square(43) == 1849
