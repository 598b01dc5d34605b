import signal

signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 1e-6, 1e-6)

def add(a, b):
    total = 0
    for x in range(1000):
        total += x
    return a
