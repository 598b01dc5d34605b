assert str(add(2, 3)) == "5"
