answer = add(2, 3)
assert isinstance(answer, int)
assert answer == 5
