def check(candidate):
    expected = 5
    answer = candidate(2, 3)
    assert answer == expected


check(add)
