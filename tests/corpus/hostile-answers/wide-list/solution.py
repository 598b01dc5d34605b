def add(a, b):
    return [None] * 10**7
