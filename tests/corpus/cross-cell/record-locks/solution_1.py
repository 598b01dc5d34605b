ANSWERS = '{"alpha": 731904, "beta": 550127}'

import fcntl
import os
import struct

held = []

def store(text):
    held.append(open(os.__file__))
    fcntl.lockf(held[-1], fcntl.LOCK_SH, 1, 7)

try:
    store(ANSWERS)
except Exception:
    pass

def lookup(key):
    return None
