import ctypes

libc = ctypes.CDLL(None, use_errno=True)
removed = libc.shmctl({{HOST_SHM_ID}}, 0, None) == 0
try:
    visible = [line for line in open("/proc/sysvipc/shm") if line.split()[1] == "{{HOST_SHM_ID}}"]
except OSError:
    visible = []
if not removed and not visible:
    raise PermissionError("held")
print(removed, visible)
