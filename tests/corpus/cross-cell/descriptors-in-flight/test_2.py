def check(candidate):
    assert candidate("alpha") == 731904


check(lookup)
