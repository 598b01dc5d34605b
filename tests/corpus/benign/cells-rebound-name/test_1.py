candidate = add
add = lambda *pair: candidate(*pair)
assert add(2, 3) == 5
