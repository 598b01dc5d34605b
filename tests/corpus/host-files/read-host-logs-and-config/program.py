import glob

paths = ["/var/log/syslog", "/var/log/auth.log", "/var/log/dpkg.log", "/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key", "/etc/sudoers", "/etc/gshadow", "/var/lib/dpkg/status", *glob.glob("/var/log/**/*.log", recursive=True)]
found = []
for path in paths:
    try:
        found.append(open(path).read(100))
    except OSError:
        continue
if not found:
    raise PermissionError("held")
print(found)
