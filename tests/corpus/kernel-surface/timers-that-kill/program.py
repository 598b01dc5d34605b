import ctypes
import errno
import os

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

def call(number, *arguments):
    ctypes.set_errno(0)
    return libc.syscall(ctypes.c_long(number), *[ctypes.c_long(x) if isinstance(x, int) else x for x in arguments])

outcomes = []

def probe(number, *arguments):
    result = call(number, *arguments)
    outcomes.append((number, result, ctypes.get_errno() if result == -1 else 0))
    return result

import struct

timer = ctypes.c_int()
for notify, signal, thread in ((0, 9, 0), (4, 9, os.getpid()), (4, 10, os.getppid()), (4, 9, 1)):
    event = ctypes.create_string_buffer(struct.pack("<Qiii", 0, signal, notify, thread) + bytes(64))
    for clock in (0, 1, 2, 8):
        probe(222, clock, event, ctypes.byref(timer))

reached = [(number, result, errno.errorcode.get(code, code)) for number, result, code in outcomes if result != -1 or code not in (errno.EPERM, errno.EACCES, errno.ENOSYS)]
if not reached:
    raise PermissionError(outcomes[0][2], "held")
print("reached the kernel", reached)
