import os

def add(a, b):
    pid = os.fork()
    return a if pid else a + b
