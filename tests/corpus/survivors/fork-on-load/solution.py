import os
import time

if os.fork():
    time.sleep(1000)

def add(a, b):
    return a
