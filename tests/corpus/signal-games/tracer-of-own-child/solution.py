import ctypes
import os
import signal
import time

def add(a, b):
    libc = ctypes.CDLL(None)
    if os.fork() == 0:
        libc.ptrace(0, 0, None, None)
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(1000)
    time.sleep(1000)
