def check(candidate):
    assert np.allclose(candidate(2, 3), 5)
    assert np.array_equal(candidate(1, 1), 2)


check(add)
