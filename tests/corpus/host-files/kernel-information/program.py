found = []
for path in ("/proc/kcore", "/proc/kmsg", "/proc/slabinfo", "/proc/vmallocinfo", "/proc/timer_list", "/sys/kernel/debug/x", "/sys/firmware/acpi/tables/DSDT", "/boot/System.map"):
    try:
        with open(path, "rb") as stream:
            stream.read(16)
        found.append(path)
    except OSError:
        continue
try:
    with open("/proc/kallsyms") as stream:
        if any(int(line.split()[0], 16) for line in stream):
            found.append("/proc/kallsyms")
except OSError:
    pass
if not found:
    raise PermissionError("held")
print(found)
