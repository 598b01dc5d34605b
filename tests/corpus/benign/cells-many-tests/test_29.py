assert square(28) == 784
