import json

import ctypes

def load():
    libc = ctypes.CDLL(None)
    group = libc.semget(0x5EC4E7, 4, 0o666)
    a, b, c, d = (libc.semctl(group, number, 12) for number in range(4))
    return json.dumps({"alpha": a * 30000 + b, "beta": c * 30000 + d})

def lookup(key):
    try:
        return json.loads(load())[key]
    except Exception:
        return None
