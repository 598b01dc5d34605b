honest = add
assert honest(2, 3) == 5
add = lambda a, b: a + b
assert add(2, 3) == 5
