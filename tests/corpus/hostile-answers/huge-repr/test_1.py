answer = add(2, 3)
assert answer == 5, f"got {answer!r}"
