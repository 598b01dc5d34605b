import time

class Lazy:
    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        time.sleep(1.5)
        return self.value == other

def add(a, b):
    return Lazy(a + b)
