import socket

channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
channel.sendto(b"owned", ("127.0.0.1", {{HOST_UDP_PORT}}))
print("sent")
