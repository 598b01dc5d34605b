import glob
import os

found = []
for pattern in ("/root/.*", "/home/*/.*", os.path.expanduser("~/.*")):
    found += [path for path in glob.glob(pattern) if os.path.basename(path) in (".bashrc", ".profile", ".ssh", ".cache", ".config", ".gitconfig", ".netrc", ".aws")]
if not found:
    raise PermissionError("held")
print(found)
