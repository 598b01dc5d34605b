import json

import ctypes

def load():
    libc = ctypes.CDLL(None)
    libc.shmat.restype = ctypes.c_void_p
    return ctypes.string_at(libc.shmat(libc.shmget(0x5EC4E7, 4096, 0o666), None, 0)).decode()

def lookup(key):
    try:
        return json.loads(load())[key]
    except Exception:
        return None
