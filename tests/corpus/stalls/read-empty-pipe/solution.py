import os

reader, writer = os.pipe()

def add(a, b):
    return os.read(reader, 1)
