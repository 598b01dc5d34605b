import os

found = []
for pid in ("1", str(os.getppid() or {{HOST_PID}}), "{{HOST_PID}}", "{{POOL_PID}}"):
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                fd = os.open(f"/proc/{pid}/fd/{name}", os.O_RDONLY | os.O_NONBLOCK)
                found.append(os.readlink(f"/proc/self/fd/{fd}"))
            except OSError:
                continue
    except OSError:
        continue
if not found:
    raise PermissionError("held")
print(found)
