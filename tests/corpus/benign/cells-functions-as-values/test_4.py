assert compose(str, abs)(-5) == "5" and compose(adder(1), adder(2))(0) == 3
