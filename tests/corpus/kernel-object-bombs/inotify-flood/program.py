import ctypes
import errno
import os

libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init()
if fd < 0:
    raise OSError(ctypes.get_errno(), "held")
number = 0
while True:
    os.mkdir(f"d{number}")
    if libc.inotify_add_watch(fd, f"d{number}".encode(), 0xFFF) < 0:
        raise OSError(ctypes.get_errno(), "held")
    number += 1
