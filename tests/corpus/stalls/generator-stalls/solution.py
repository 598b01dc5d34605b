import time

def add(a, b):
    yield a
    time.sleep(1000)
    yield b
