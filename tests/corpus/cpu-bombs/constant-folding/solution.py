def add(a, b):
    return "x" * 10 ** 9 if (2 ** 127) ** 100 and a else 10 ** 10 ** 8
