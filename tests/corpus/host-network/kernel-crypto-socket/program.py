import socket

channel = socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)
channel.bind(("hash", "sha256"))
print("bound")
