answer = add(2, 3)
assert answer < 6 and answer > 4
