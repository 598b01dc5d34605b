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

room = ctypes.create_string_buffer(4096)
pair = socket.socketpair()
pipe = os.pipe()
requests = (0x5412, 0x541c, 0x540e, 0x5422, 0x541d, 0x5423, 0x400454ca, 0x8901, 0x8902, 0x5452, 0x8912, 0x8933, 0x89e0,
            0xc0045877, 0xc0045878, 0x40086602, 0x40049409, 0xc0189436, 0x40085203, 0xb701, 0xb702, 0xae00, 1, 0xc018aa3f)
for descriptor in (0, 1, 2, pipe[0], pair[0].fileno(), os.open(".", os.O_RDONLY), os.open("/dev/null", os.O_RDWR)):
    for request in requests:
        for high in (0, 1 << 32):
            probe(16, descriptor, request | high, room)

reached = [(number, result, errno.errorcode.get(code, code)) for number, result, code in outcomes if result != -1 or code not in (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOTTY)]
if not reached:
    raise PermissionError(outcomes[0][2], "held")
print("reached the kernel", reached)
