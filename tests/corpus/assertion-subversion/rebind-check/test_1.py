def check(candidate):
    assert candidate(2, 3) == 5


add(0, 0)
check(add)
