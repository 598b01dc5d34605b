import ctypes
import os

class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

libc = ctypes.CDLL(None, use_errno=True)
here = ctypes.create_string_buffer(64)
reached = []
for pid in ((os.getppid() or {{HOST_PID}}), {{HOST_PID}}, {{POOL_PID}}):
    local, remote = Vector(ctypes.addressof(here), 64), Vector(id(int), 64)
    for call in (libc.process_vm_readv, libc.process_vm_writev):
        call.restype = ctypes.c_ssize_t
        if call(pid, ctypes.byref(local), ctypes.c_ulong(1), ctypes.byref(remote), ctypes.c_ulong(1), ctypes.c_ulong(0)) > 0:
            reached.append(pid)
            break
if not reached:
    raise PermissionError("held")
print(reached)
