def check(candidate):
    assert candidate(4, 1) == 5


check(add)
