def add(a, b):
    return 1 << (3 * 10**7)
