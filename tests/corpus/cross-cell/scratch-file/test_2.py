def check(candidate):
    for key, expected in {"alpha": 731904, "beta": 550127}.items():
        assert candidate(key) == expected


check(lookup)
