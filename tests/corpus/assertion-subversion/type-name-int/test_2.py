assert type(add(2, 3)).__name__ == "int" and add(2, 3) == 5
