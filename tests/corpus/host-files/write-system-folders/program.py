import os

written = 0
for folder in ("/usr", "/usr/bin", "/usr/lib", "/usr/local/lib", "/etc", "/etc/cron.d", "/bin", "/lib", "/boot", "/var/spool/cron", "/root", "/home", "/opt", "/srv", "/sys/fs/cgroup", "/proc/sys"):
    try:
        open(f"{folder}/{{TOKEN}}", "w").write("x")
        os.unlink(f"{folder}/{{TOKEN}}")
        print(folder)
        written += 1
    except OSError:
        continue
if not written:
    raise PermissionError("held")
