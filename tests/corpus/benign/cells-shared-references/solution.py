def pair(x):
    return [x, x]

def same(a, b):
    return a is b
