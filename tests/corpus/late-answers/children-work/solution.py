import os
import time

def add(a, b):
    reader, writer = os.pipe()
    if os.fork() == 0:
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            pass
        os.write(writer, b"x")
        os._exit(0)
    os.read(reader, 1)
    return a + b
