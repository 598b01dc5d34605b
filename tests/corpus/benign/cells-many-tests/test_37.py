assert square(36) == 1296
