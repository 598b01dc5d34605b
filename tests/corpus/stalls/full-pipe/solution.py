import os

reader, writer = os.pipe()

def add(a, b):
    while True:
        os.write(writer, bytes(4096))
