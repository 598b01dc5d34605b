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

context = ctypes.c_uint64()
probe(206, 8, ctypes.byref(context))
probe(209, context.value, 0, 0)
probe(208, context.value, 0, 1, 0, 0)
probe(333, context.value, 0, 1, 0, 0, 0)
probe(210, 0, 0, 0)
probe(207, 0)

reached = [(number, result, errno.errorcode.get(code, code)) for number, result, code in outcomes if result != -1 or code not in (errno.EPERM, errno.EACCES, errno.ENOSYS)]
if not reached:
    raise PermissionError(outcomes[0][2], "held")
print("reached the kernel", reached)
