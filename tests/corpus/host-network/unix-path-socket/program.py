import socket

channel = socket.socket(socket.AF_UNIX)
channel.connect("{{HOST_UNIX}}")
channel.sendall(b"owned")
print("connected")
