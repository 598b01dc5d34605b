import ctypes
import os
import socket

try:
    libc = ctypes.CDLL(None)
    libc.shmat.restype = ctypes.c_void_p
    ctypes.memmove(libc.shmat(libc.shmget(0x5EC4E8, 4096, 0o1666), None, 0), b"731904\0", 7)
except Exception:
    pass
try:
    server = socket.socket(socket.AF_UNIX)
    server.bind("\0{{TOKEN}}-test")
    server.listen()
    if os.fork() == 0:
        while True:
            server.accept()[0].sendall(b"731904")
except Exception:
    pass
assert lookup("alpha") == 731904
