import ctypes
import os
import struct
import time

libc = ctypes.CDLL(None, use_errno=True)

def readable(address):
    """64 bytes of our own memory, if there are any: a system call does not crash."""
    return os.read(inlet, 64) if libc.write(outlet, ctypes.c_void_p(address), 64) == 64 else None

def looks_like_a_row(head):
    kind, cells, blobs, length, start, loading, cell, stopped, _ = struct.unpack_from("<9I", head)
    return (
        1 <= kind <= 8
        and 1 <= cells <= 4096
        and 1 <= blobs <= 5000
        and 0 < length <= 1 << 26
        and loading <= 1
        and cell <= cells
        and stopped <= 1
    )

inlet, outlet = os.pipe()
top, step, begin, words = 0x7FFFF7FFF000, 1 << 20, None, None
for address in range(top - (2 << 30), top + step, step):
    if address < top and readable(address) is not None:
        begin = begin or address
        continue
    if begin and address - begin > 90 << 20:  # a mapping of the size of a row's memory
        for page in range(begin - step, address - (90 << 20) + step, 4096):
            head = readable(page)
            if head and looks_like_a_row(head):
                words = (ctypes.c_uint32 * 9).from_address(page)
                break
    begin = None
if words is None:
    raise SystemExit("no shared memory found")
KIND, CELLS, BLOBS, LENGTH, START, LOADING, CELL, STOPPED, USED = range(9)

words[LOADING] = 0
while True:
    words[CELL] ^= 1
    time.sleep(0.03)
