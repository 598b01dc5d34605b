def license(a):
    return a + 1
