import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.restype = ctypes.c_long
attached = []
for pid in ((os.getppid() or {{HOST_PID}}), {{HOST_PID}}, {{POOL_PID}}):
    for request in (16, 0x4206):
        if libc.ptrace(ctypes.c_long(request), ctypes.c_long(pid), None, None) == 0:
            attached.append(pid)
if not attached:
    raise PermissionError("held")
print(attached)
