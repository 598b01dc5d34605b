import json

import importlib.util
import marshal
import os

def load():
    import colorsys

    return colorsys.answers

def lookup(key):
    try:
        return json.loads(load())[key]
    except Exception:
        return None
