import os
import signal

def add(a, b):
    signal.signal(signal.SIGSYS, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGSYS)
    return a
