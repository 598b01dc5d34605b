assert callable(adder(1))
