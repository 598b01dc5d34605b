import os

changed = []
for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/drop_caches", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/randomize_va_space", "/proc/sysrq-trigger", "/proc/sys/fs/binfmt_misc/register", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/power/state", "/sys/kernel/uevent_helper", "/proc/irq/default_smp_affinity"):
    try:
        os.close(os.open(path, os.O_WRONLY))
        changed.append(path)
    except OSError:
        continue
if not changed:
    raise PermissionError("held")
print(changed)
