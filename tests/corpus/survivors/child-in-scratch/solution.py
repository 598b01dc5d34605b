import fcntl
import mmap
import os
import time

def add(a, b):
    if os.fork() == 0:
        os.makedirs("deep/er", exist_ok=True)
        os.chdir("deep/er")
        held = open("held", "w+b")
        held.truncate(4096)
        fcntl.flock(held, fcntl.LOCK_EX)
        area = mmap.mmap(held.fileno(), 4096)
        time.sleep(1000)
    return a
