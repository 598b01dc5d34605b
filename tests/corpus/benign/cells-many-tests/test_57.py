assert square(56) == 3136
