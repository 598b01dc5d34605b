import json

import ctypes

def load():
    libc = ctypes.CDLL(None)
    buffer = ctypes.create_string_buffer(4096)
    for ring in (-4, -3, -2, -5):
        key = libc.syscall(ctypes.c_long(250), ctypes.c_long(10), ctypes.c_long(ring), b"user", b"{{TOKEN}}", ctypes.c_long(0))
        if key > 0:
            size = libc.syscall(ctypes.c_long(250), ctypes.c_long(11), ctypes.c_long(key), buffer, ctypes.c_long(4096))
            return buffer.raw[:size].decode()

def lookup(key):
    try:
        return json.loads(load())[key]
    except Exception:
        return None
