import socket

channel = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
channel.settimeout(0.3)
try:
    channel.connect((2, 1024))
except OSError:
    pass
print("opened")
