import os

changed = []
for act in (lambda: os.setuid(0), lambda: os.setresuid(0, 0, 0), lambda: os.seteuid(0), lambda: os.setgid(0), lambda: os.setgroups([0]), lambda: os.setresgid(0, 0, 0)):
    try:
        before = open("/proc/self/status").read()
        act()
        if open("/proc/self/status").read() != before:
            changed.append(act)
    except OSError:
        continue
capabilities = next(line for line in open("/proc/self/status") if line.startswith("CapEff"))
if int(capabilities.split()[1], 16) == 0 and not changed:
    raise PermissionError("held")
print(changed, capabilities)
