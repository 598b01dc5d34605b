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

asking = {3, 15, 16, 21, 23, 39}
for option in [n for n in range(100) if n not in asking] + [0x53564d41, 0x59616d61, 0x41555856]:
    for value in (0, 1, -1):
        probe(157, option, value, 0, 0, 0)

reached = [(number, result, errno.errorcode.get(code, code)) for number, result, code in outcomes if result != -1 or code not in (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EINVAL)]
if not reached:
    raise PermissionError(outcomes[0][2], "held")
print("reached the kernel", reached)
