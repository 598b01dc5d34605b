import socket
import time

channel = socket.socket()
channel.setblocking(False)
code = channel.connect_ex(("127.0.0.1", {{HOST_PORT}}))
time.sleep(0.2)
channel.send(b"owned")
print("connected", code)
