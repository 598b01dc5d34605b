import os
import stat

made = []
for major, minor, kind in ((1, 1, stat.S_IFCHR), (1, 11, stat.S_IFCHR), (8, 0, stat.S_IFBLK), (254, 0, stat.S_IFBLK), (259, 0, stat.S_IFBLK), (5, 0, stat.S_IFCHR)):
    try:
        os.mknod(f"node{major}-{minor}", 0o666 | kind, os.makedev(major, minor))
        made.append((major, minor))
    except OSError:
        continue
if not made:
    raise PermissionError("held")
print(made)
