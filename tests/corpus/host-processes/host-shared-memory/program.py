import ctypes
from multiprocessing import shared_memory

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
address = libc.shmat({{HOST_SHM_ID}}, None, 0)
if address not in (None, ctypes.c_void_p(-1).value):
    print(ctypes.string_at(address, 64))
    ctypes.memset(address, 0, 64)
    raise SystemExit
try:
    area = shared_memory.SharedMemory(name="{{HOST_SHM_NAME}}")
except (OSError, ImportError) as error:
    raise PermissionError("held") from error
print(bytes(area.buf[:64]))
area.buf[:4] = b"gone"
