add(2, 3)
blocks = []
while True:
    blocks.append(bytearray(1 << 20))
