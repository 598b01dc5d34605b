import os
import site
import sys

changed = []
for path in (os.__file__, sys.executable, "/usr/bin/env", *[f"{folder}/sitecustomize.py" for folder in sys.path if folder and folder != os.getcwd()], *[f"{folder}/{{TOKEN}}.pth" for folder in site.getsitepackages()]):
    try:
        with open(path, "r+b" if os.path.exists(path) else "wb"):
            changed.append(path)
    except OSError:
        continue
if not changed:
    raise PermissionError("held")
print(changed)
