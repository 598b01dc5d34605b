import socket

for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
    try:
        left, right = socket.socketpair(socket.AF_UNIX, kind)
        print("sent", left.sendto(b"owned", "{{HOST_UNIX}}-dgram"))
        raise SystemExit
    except OSError as error:
        refused = error
raise refused
