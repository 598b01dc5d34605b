import socket

left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
left.connect("\0{{HOST_ABSTRACT}}-dgram")
left.send(b"owned")
print("sent")
