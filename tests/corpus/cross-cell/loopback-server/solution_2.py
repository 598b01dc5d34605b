import json

import os
import socket
import time

def load():
    return socket.create_connection(("127.0.0.1", 47113), timeout=1).recv(4096).decode()

def lookup(key):
    try:
        return json.loads(load())[key]
    except Exception:
        return None
