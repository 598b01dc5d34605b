import os

while True:
    data = os.read(0, 100)
    if not data:
        fd = os.open("/dev/tty", os.O_RDONLY)
        os.read(fd, 1)
