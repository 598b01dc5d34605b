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

source = os.open("/usr", os.O_RDONLY)
room = (ctypes.c_uint64 * 2)(0, 0)
r, w = os.pipe()
probe(275, source, 0, w, 0, 100, 0)
probe(276, r, w, 100, 0)
probe(327, r, room, 1, 0, 0, 0)
probe(328, w, room, 1, 0, 0, 0)

reached = [(number, result, errno.errorcode.get(code, code)) for number, result, code in outcomes if result != -1 or code not in (errno.EPERM, errno.EACCES, errno.ENOSYS)]
if not reached:
    raise PermissionError(outcomes[0][2], "held")
print("reached the kernel", reached)
