import socket

channel = socket.create_connection(("127.0.0.1", {{HOST_PORT}}), timeout=1)
channel.sendall(b"owned")
print("connected")
