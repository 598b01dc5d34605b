import time

start = time.process_time()
while time.process_time() - start < 1.0:
    pass

def add(a, b):
    return a + b
