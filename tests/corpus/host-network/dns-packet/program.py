import os
import socket

channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
query = os.urandom(2) + b"\x01\0\0\x01\0\0\0\0\0\0\x05owned\x07invalid\0\0\x01\0\x01"
channel.sendto(query, ("127.0.0.1", {{HOST_UDP_PORT}}))
print("sent")
