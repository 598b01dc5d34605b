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

import mmap

own = mmap.mmap(-1, 1 << 16)
at = ctypes.addressof(ctypes.c_char.from_buffer(own))
for advice in (12, 20, 21, 100, 101):
    probe(28, at, 1 << 16, advice)

reached = [(number, result, errno.errorcode.get(code, code)) for number, result, code in outcomes if result != -1 or code not in (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EINVAL)]
if not reached:
    raise PermissionError(outcomes[0][2], "held")
print("reached the kernel", reached)
