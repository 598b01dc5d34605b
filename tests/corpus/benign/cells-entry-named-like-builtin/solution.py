def sum(a, b):
    total = 0
    for n in range(1, min(a, b) + 1):
        if a % n == 0 and b % n == 0:
            total += n
    return total
