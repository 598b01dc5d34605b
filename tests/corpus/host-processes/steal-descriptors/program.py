import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
stolen = []
for pid in (1, (os.getppid() or {{HOST_PID}}), {{HOST_PID}}, {{POOL_PID}}):
    handle = libc.syscall(ctypes.c_long(434), ctypes.c_long(pid), ctypes.c_long(0))
    if handle >= 0:
        for fd in range(64):
            if libc.syscall(ctypes.c_long(438), ctypes.c_long(handle), ctypes.c_long(fd), ctypes.c_long(0)) >= 0:
                stolen.append((pid, fd))
if not stolen:
    raise PermissionError("held")
print(stolen)
