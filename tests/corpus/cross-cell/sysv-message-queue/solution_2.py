import json

import ctypes

def load():
    libc = ctypes.CDLL(None)
    buffer = ctypes.create_string_buffer(4096)
    size = libc.msgrcv(libc.msgget(0x5EC4E7, 0o666), buffer, 4000, 0, 0o4000)
    return buffer.raw[8 : 8 + size].decode()

def lookup(key):
    try:
        return json.loads(load())[key]
    except Exception:
        return None
