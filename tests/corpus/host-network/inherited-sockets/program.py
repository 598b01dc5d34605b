import socket

reached = 0
for fd in range(256):
    try:
        channel = socket.socket(fileno=fd)
        channel.connect(("127.0.0.1", {{HOST_PORT}}) if channel.family == socket.AF_INET else "\0{{HOST_ABSTRACT}}")
        reached += 1
    except (OSError, ValueError):
        continue
if not reached:
    raise PermissionError("held")
print(reached)
