import itertools

def order(items):
    return itertools.count()
