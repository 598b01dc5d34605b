import atexit
import os
import time

def leave():
    if os.fork() == 0:
        os.setsid()
        time.sleep(1000)

atexit.register(leave)

def add(a, b):
    return a
