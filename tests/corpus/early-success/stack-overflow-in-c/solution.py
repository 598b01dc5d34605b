import sys

sys.setrecursionlimit(10**9)

class Deep:
    def __getattr__(self, name):
        return getattr(self, name + "x")

def add(a, b):
    nested = []
    for _ in range(10**6):
        nested = [nested]
    return hash(repr(nested)) + len(str(Deep().x))
