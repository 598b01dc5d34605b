import os

for fd in range(256):
    for path in ("../" * 30 + "{{CANARY}}", "." + "{{CANARY}}", "{{CANARY}}".lstrip("/")):
        try:
            print(os.read(os.open(path, os.O_RDONLY, dir_fd=fd), 1000))
            raise SystemExit
        except OSError:
            continue
raise PermissionError("held")
