LIMIT = 10

def double(x):
    return 2 * x

def clip(x):
    return min(x, LIMIT)
