import socket
import time

changed = []
for act in (lambda: socket.sethostname("owned"), lambda: time.clock_settime(time.CLOCK_REALTIME, time.time())):
    try:
        act()
        changed.append(act)
    except OSError:
        continue
if not changed:
    raise PermissionError("held")
print(len(changed))
