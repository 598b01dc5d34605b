import array
import socket

try:
    pairs = [socket.socketpair() for _ in range(20)]
    rights = array.array("i", [end.fileno() for pair in pairs for end in pair][:40])
    for left, right in pairs:
        left.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)], socket.MSG_DONTWAIT)
except OSError:
    pass

def lookup(key):
    return None
