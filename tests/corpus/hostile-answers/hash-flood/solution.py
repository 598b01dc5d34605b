def add(a, b):
    prime = 2**61 - 1
    return {k * prime: None for k in range(1, 100_000)}
