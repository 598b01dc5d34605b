import os

fd = os.open("data", os.O_CREAT | os.O_RDWR)
print(os.pwritev(fd, [b"hello ", b"world"], 0))
parts = [bytearray(3), bytearray(8)]
print(os.preadv(fd, parts, 0), parts)
os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
os.posix_fallocate(fd, 0, 20)
other = os.open("copy", os.O_CREAT | os.O_RDWR)
print(os.sendfile(other, fd, 0, 5), os.copy_file_range(fd, other, 3, 6, 5))
print(os.pread(other, 20, 0))
