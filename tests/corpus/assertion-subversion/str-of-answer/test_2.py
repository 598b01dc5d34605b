assert repr(add(2, 3)) == "5"
