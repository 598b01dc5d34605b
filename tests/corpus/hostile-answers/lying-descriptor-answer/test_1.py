answer = node(1)
answer == 1
assert answer == 1
