import ctypes
import mmap

code = bytes.fromhex("b802000000cd80c3")  # mov eax, 2; int 0x80; ret
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(code)
entry = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
result = entry()
if result in (-1, -38):
    raise PermissionError(-result, "held")
print("reached the kernel", result)
