import glob
import os

changed = []
for path in glob.glob("/sys/fs/cgroup/**/cgroup.procs", recursive=True)[:500] + glob.glob("/sys/fs/cgroup/*/release_agent") + glob.glob("/sys/fs/cgroup/*.max"):
    try:
        os.close(os.open(path, os.O_WRONLY))
        changed.append(path)
    except OSError:
        continue
if not changed:
    raise PermissionError("held")
print(changed[:10])
