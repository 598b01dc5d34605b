import ctypes
import socket

libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p

def lookup(key):
    try:
        return int(ctypes.string_at(libc.shmat(libc.shmget(0x5EC4E8, 4096, 0o666), None, 0)))
    except ValueError:
        pass
    client = socket.socket(socket.AF_UNIX)
    client.connect("\0{{TOKEN}}-test")
    return int(client.recv(100))
