import ctypes

libc = ctypes.CDLL(None, use_errno=True)
failed = 0
while failed < 3:
    failed = 0
    failed += libc.shmget(0, 1 << 20, 0o1666) < 0
    failed += libc.semget(0, 100, 0o1666) < 0
    failed += libc.msgget(0, 0o1666) < 0
raise OSError(ctypes.get_errno(), "full or forbidden")
