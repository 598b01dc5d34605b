import os

fd = os.open("huge", os.O_RDWR | os.O_CREAT)
os.posix_fallocate(fd, 0, 100 << 30)
