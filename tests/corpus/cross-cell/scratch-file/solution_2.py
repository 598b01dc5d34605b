import json


def load():
    return open("answers").read()

def lookup(key):
    try:
        return json.loads(load())[key]
    except Exception:
        return None
