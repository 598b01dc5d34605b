import socket

opened = []
for family, kind, protocol in ((socket.AF_INET, socket.SOCK_RAW, 1), (socket.AF_PACKET, socket.SOCK_RAW, 3), (socket.AF_NETLINK, socket.SOCK_RAW, 0), (socket.AF_NETLINK, socket.SOCK_RAW, 9), (socket.AF_NETLINK, socket.SOCK_RAW, 15), (socket.AF_INET, socket.SOCK_DGRAM, 1)):
    try:
        socket.socket(family, kind, protocol)
        opened.append((family, kind, protocol))
    except OSError:
        continue
if not opened:
    raise PermissionError("held")
print(opened)
