import socket

for address in ("::1", "::ffff:127.0.0.1"):
    try:
        socket.create_connection((address, {{HOST_PORT}}), timeout=1).sendall(b"owned")
        print("connected")
        break
    except OSError:
        continue
else:
    raise PermissionError("held")
