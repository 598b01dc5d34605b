import os
import struct

code = bytes.fromhex("b80100000031dbcd80")  # mov eax, 1; xor ebx, ebx; int 0x80
base = 0x08048000
elf = b"\x7fELF\x01\x01\x01" + bytes(9)
elf += struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, base + 84, 52, 0, 0, 52, 32, 1, 0, 0, 0)
elf += struct.pack("<IIIIIIII", 1, 0, base, base, 84 + len(code), 84 + len(code), 5, 4096) + code
fd = os.memfd_create("x")
os.write(fd, elf)
os.execve(fd, ["x"], {})
