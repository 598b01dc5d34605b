import ctypes

libc = ctypes.CDLL(None, use_errno=True)
while True:
    timer = ctypes.c_void_p()
    if libc.timer_create(1, None, ctypes.byref(timer)) != 0:
        raise OSError(ctypes.get_errno(), "full")
