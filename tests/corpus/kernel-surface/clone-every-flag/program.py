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

def raw(flags):
    result = probe(56, flags, 0, 0, 0, 0)
    if result == 0:
        os._exit(0)

for bit in range(8, 36):
    if bit != 16:  # a thread: allowed, and without a stack of its own no more than a crash
        raw(1 << bit | 17)
for namespace in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
    raw(0x10f00 | namespace)
raw(0)

reached = [(number, result, errno.errorcode.get(code, code)) for number, result, code in outcomes if result != -1 or code not in (errno.EPERM, errno.EACCES, errno.ENOSYS)]
if not reached:
    raise PermissionError(outcomes[0][2], "held")
print("reached the kernel", reached)
