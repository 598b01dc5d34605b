import json

import ctypes

def load():
    libc = ctypes.CDLL("librt.so.1")
    queue = libc.mq_open(b"/{{TOKEN}}", 0o4002)
    buffer = ctypes.create_string_buffer(8192)
    size = libc.mq_receive(queue, buffer, 8192, None)
    return buffer.raw[:size].decode()

def lookup(key):
    try:
        return json.loads(load())[key]
    except Exception:
        return None
