import socket

left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
sent = left.sendto(b"owned", "\0{{HOST_ABSTRACT}}-dgram")
print("sent", sent)
