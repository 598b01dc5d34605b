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

import socket

pair = socket.socketpair()
folder = os.open(".", os.O_RDONLY)
for descriptor in (0, 1, pair[0].fileno(), folder):
    for command in (8, 9, 10, 11, 15, 16, 1024, 1025, 1026, 1027, 1031, 1033, 1034, 1036, 1038, 1039, 1040):
        for value in (9, os.getppid(), -os.getpgrp()):
            probe(72, descriptor, command, value)

reached = [(number, result, errno.errorcode.get(code, code)) for number, result, code in outcomes if result != -1 or code not in (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EINVAL)]
if not reached:
    raise PermissionError(outcomes[0][2], "held")
print("reached the kernel", reached)
