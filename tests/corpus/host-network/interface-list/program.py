import socket

names = [name for _, name in socket.if_nameindex()]
if not set(names) - {"lo"}:
    raise PermissionError("held")
print(names)
