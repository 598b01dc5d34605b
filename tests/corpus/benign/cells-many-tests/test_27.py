assert square(26) == 676
