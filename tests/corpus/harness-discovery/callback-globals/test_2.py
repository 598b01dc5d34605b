def check(candidate):
    expected = 731904
    assert candidate(lambda x: x if expected else 0) == expected


check(lookup)
