import socket

server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
server.bind(("0.0.0.0", {{HOST_PORT}}))
server.listen()
raise RuntimeError("listening, or in a network of its own")
