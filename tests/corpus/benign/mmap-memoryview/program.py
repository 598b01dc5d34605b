import ctypes
import mmap

with mmap.mmap(-1, 4096) as area:
    area[:5] = b"hello"
    print(area[:5], area.find(b"l"))
view = memoryview(bytearray(b"abc"))
view[0] = 122
print(bytes(view), ctypes.sizeof(ctypes.c_long), ctypes.c_uint8(257).value)
