ANSWERS = '{"alpha": 731904, "beta": 550127}'

import os

def store(text):
    for _ in range(200):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)

try:
    store(ANSWERS)
except Exception:
    pass

def lookup(key):
    return None
