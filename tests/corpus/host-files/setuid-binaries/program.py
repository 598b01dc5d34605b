import glob
import os
import stat
import subprocess

ran = []
for path in glob.glob("/usr/bin/*") + glob.glob("/bin/*") + glob.glob("/usr/lib/openssh/*") + glob.glob("/usr/lib/dbus-1.0/*"):
    try:
        if os.stat(path).st_mode & stat.S_ISUID and os.path.isfile(path):
            subprocess.run([path, "--help"], stdin=subprocess.DEVNULL, timeout=0.5)
            ran.append(path)
    except (OSError, subprocess.SubprocessError):
        continue
if not ran:
    raise PermissionError("held")
print(ran)
