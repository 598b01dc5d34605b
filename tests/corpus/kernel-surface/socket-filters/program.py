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
import struct

left, right = socket.socketpair()
code = ctypes.create_string_buffer(struct.pack("<HBBI", 6, 0, 0, 0xFFFF))
room = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", 1, ctypes.addressof(code)))
for option in (26, 50, 51, 52):
    probe(54, left.fileno(), 1, option, room, 16)

reached = [(number, result, errno.errorcode.get(code, code)) for number, result, code in outcomes if result != -1 or code not in (errno.EPERM, errno.EACCES, errno.ENOSYS)]
if not reached:
    raise PermissionError(outcomes[0][2], "held")
print("reached the kernel", reached)
