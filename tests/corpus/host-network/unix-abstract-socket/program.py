import socket

channel = socket.socket(socket.AF_UNIX)
channel.connect("\0{{HOST_ABSTRACT}}")
channel.sendall(b"owned")
print("connected")
