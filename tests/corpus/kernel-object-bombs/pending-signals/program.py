import ctypes
import os
import signal

signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
libc = ctypes.CDLL(None, use_errno=True)
while True:
    if libc.sigqueue(os.getpid(), 40, None) != 0:
        raise OSError(ctypes.get_errno(), "full")
