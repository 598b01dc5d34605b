import hashlib
import threading
import time

def work():
    while time.process_time() < 2.0:
        hashlib.sha256(bytes(1 << 20)).digest()

def add(a, b):
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return a + b
