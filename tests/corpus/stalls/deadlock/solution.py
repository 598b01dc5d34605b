import threading

lock = threading.Lock()

def add(a, b):
    lock.acquire()
    lock.acquire()
    return a + b
