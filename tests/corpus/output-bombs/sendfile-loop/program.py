import os

fd = os.open("big", os.O_RDWR | os.O_CREAT)
os.write(fd, b"x" * (1 << 20))
while True:
    os.sendfile(1, fd, 0, 1 << 20)
