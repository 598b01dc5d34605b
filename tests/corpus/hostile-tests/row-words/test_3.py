def check(candidate):
    assert candidate(5, 1) == 6


check(add)
