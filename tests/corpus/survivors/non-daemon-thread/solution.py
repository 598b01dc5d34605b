import threading
import time

def add(a, b):
    threading.Thread(target=time.sleep, args=(1000,)).start()
    return a
