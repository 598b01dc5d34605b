import glob
import os

opened = []
for path in ["/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg", "/dev/kvm", "/dev/fuse", "/dev/net/tun", "/dev/loop-control", "/dev/mapper/control", "/dev/userfaultfd", "/dev/tty", "/dev/console", "/dev/ptmx", "/dev/vsock", "/dev/rtc0", "/dev/watchdog", *glob.glob("/dev/sd*"), *glob.glob("/dev/vd*"), *glob.glob("/dev/nvme*"), *glob.glob("/dev/dri/*"), *glob.glob("/dev/nvidia*")]:
    for flags in (os.O_RDONLY, os.O_RDWR):
        try:
            os.close(os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY))
            opened.append(path)
        except OSError:
            continue
if not opened:
    raise PermissionError("held")
print(opened)
