for a in range(3):
    assert license(a) == a + 1
