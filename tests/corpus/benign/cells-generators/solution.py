def evens(limit):
    for n in range(0, limit, 2):
        yield n

def pairs(items):
    return zip(items, items[1:])

def numbers():
    n = 0
    while True:
        yield n
        n += 1
