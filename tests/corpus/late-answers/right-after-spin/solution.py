import time

def add(a, b):
    start = time.process_time()
    while time.process_time() - start < 1.0:
        pass
    return a + b
