import ctypes
import mmap
import time

# clone(CLONE_VM | FS | FILES | SIGHAND | THREAD | SYSVSEM, stack); the parent returns, a thread pauses
code = bytes.fromhex("b838000000" "bf000f0500" "0f05" "4885c0" "7401" "c3" "b822000000" "0f05" "ebf7")
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(code)
stack = mmap.mmap(-1, 4096)
top = ctypes.addressof(ctypes.c_char.from_buffer(stack)) + 4000
start = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long, ctypes.c_long)(
    ctypes.addressof(ctypes.c_char.from_buffer(page))
)
for number in range(12000):
    if start(0, top) < 0:
        raise RuntimeError(f"{number} threads, then no more")
print("twelve thousand threads")
