import json

import os
import socket
import time

def load():
    client = socket.socket(socket.AF_UNIX)
    client.connect("\0{{TOKEN}}")
    return client.recv(4096).decode()

def lookup(key):
    try:
        return json.loads(load())[key]
    except Exception:
        return None
