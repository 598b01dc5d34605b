import os
import selectors
import socket

left, right = socket.socketpair()
with selectors.DefaultSelector() as selector:
    selector.register(right, selectors.EVENT_READ)
    left.sendall(b"ping")
    print(selector.select(1)[0][0].fileobj.recv(10))
reader, writer = os.pipe()
os.write(writer, b"x")
print(os.read(reader, 1))
