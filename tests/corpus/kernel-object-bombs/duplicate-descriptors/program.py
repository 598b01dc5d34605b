import array
import os
import socket

held = []
while True:
    left, right = socket.socketpair()
    held.append((left, right))
    fds = array.array("i", [left.fileno()] * 100)
    try:
        while True:
            left.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)], socket.MSG_DONTWAIT)
    except BlockingIOError:
        pass
