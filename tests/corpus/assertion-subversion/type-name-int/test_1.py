answer = add(2, 3)
assert answer == 5
