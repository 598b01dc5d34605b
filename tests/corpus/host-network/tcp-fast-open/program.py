import socket

channel = socket.socket()
channel.sendto(b"owned", 0x20000000, ("127.0.0.1", {{HOST_PORT}}))
print("sent")
