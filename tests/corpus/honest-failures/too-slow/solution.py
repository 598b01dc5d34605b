def add(a, b):
    total = 0
    for _ in range(10**12):
        total += 1
    return total
