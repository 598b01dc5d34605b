import json

from multiprocessing import shared_memory

def load():
    area = shared_memory.SharedMemory(name="{{TOKEN}}")
    return bytes(area.buf).rstrip(b"\0").decode()

def lookup(key):
    try:
        return json.loads(load())[key]
    except Exception:
        return None
