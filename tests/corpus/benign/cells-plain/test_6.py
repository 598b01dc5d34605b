answer = same(float("nan"))
assert answer != answer
