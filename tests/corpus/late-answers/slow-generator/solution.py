import time

def add(a, b):
    for item in (a, b):
        time.sleep(0.8)
        yield item
