import json

import os

def load():
    names = [name for name in os.listdir(".") if name.startswith("x")]
    return bytes.fromhex(names[0][1:]).decode()

def lookup(key):
    try:
        return json.loads(load())[key]
    except Exception:
        return None
