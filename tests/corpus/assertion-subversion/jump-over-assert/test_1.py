def check(candidate):
    answer = candidate(2, 3)
    assert answer == 5
    return


check(add)
