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

room = ctypes.create_string_buffer(4096)
for process in {os.getppid(), 1, {{HOST_PID}}, {{POOL_PID}}} - {0, os.getpid()}:
    for target in (process, -process, process | 1 << 32):
        probe(62, target, 0)
    probe(234, process, process, 0)
    probe(200, process, 0)
    probe(129, process, 10, room)
    probe(297, process, process, 10, room)
    probe(302, process, 7, 0, room)
    probe(141, 0, process, 19)
    probe(203, process, 128, room)
    probe(142, process, room)
    probe(144, process, 3, room)
    probe(148, process, room)
    probe(314, process, room, 0)
    probe(315, process, room, 48, 0)
    probe(251, 1, process, 0)
    probe(252, 1, process)
    probe(274, process, room, room)
    probe(312, process, os.getpid(), 0, 0, 0)
    probe(434, process, 0)
    probe(256, process, 64, room, room)
    probe(279, process, 0, 0, 0, 0, 0)
    probe(101, 16, process, 0, 0)
    probe(310, process, room, 1, room, 1, 0)
    probe(311, process, room, 1, room, 1, 0)
probe(62, -1, 0)
probe(62, 0, 0)
probe(141, 1, 0, 19)
probe(141, 2, 0, 19)

reached = [(number, result, errno.errorcode.get(code, code)) for number, result, code in outcomes if result != -1 or code not in (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ESRCH)]
if not reached:
    raise PermissionError(outcomes[0][2], "held")
print("reached the kernel", reached)
