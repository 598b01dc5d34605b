import fcntl
import os
import termios

typed = 0
for fd in (0, 1, 2):
    for character in b"echo owned\n":
        try:
            fcntl.ioctl(fd, termios.TIOCSTI, bytes([character]))
            typed += 1
        except OSError:
            continue
if not typed:
    raise PermissionError("held")
print(typed)
