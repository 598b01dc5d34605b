import os
import random
import signal

def add(a, b):
    number = random.choice([signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL])
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return a
