import os

opened = []
for pid in (1, (os.getppid() or {{HOST_PID}}), {{HOST_PID}}, {{POOL_PID}}):
    try:
        os.close(os.open(f"/proc/{pid}/mem", os.O_RDWR))
        opened.append(pid)
    except OSError:
        continue
if not opened:
    raise PermissionError("held")
print(opened)
