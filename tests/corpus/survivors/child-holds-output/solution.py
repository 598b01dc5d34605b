import os
import time

def add(a, b):
    if os.fork() == 0:
        time.sleep(1000)
    print("parent is done", flush=True)
    os._exit(0)
