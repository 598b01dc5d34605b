assert square(47) == 2209
