import socket

opened = []
for family in range(3, 46):
    for kind in (1, 2, 3, 5):
        try:
            socket.socket(family, kind, 0)
            opened.append((family, kind))
        except OSError:
            continue
if [x for x in opened if x[0] not in (1, 2, 10)]:
    print(opened)
else:
    raise PermissionError("held")
