import ctypes
import struct

libc = ctypes.CDLL(None, use_errno=True)
fd = libc.syscall(ctypes.c_long(41), ctypes.c_long(2), ctypes.c_long(1), ctypes.c_long(0))
address = struct.pack("=H", 2) + struct.pack("!H", {{HOST_PORT}}) + bytes([127, 0, 0, 1]) + bytes(8)
if fd < 0 or libc.syscall(ctypes.c_long(42), ctypes.c_long(fd), address, ctypes.c_long(16)) != 0:
    raise OSError(ctypes.get_errno(), "held")
print("connected")
