import os.path
from pathlib import Path, PurePosixPath

print(os.path.join("a", "..", "b"), os.path.normpath("a/../b"), os.path.splitext("x.tar.gz"), os.path.basename("/a/b"))
print(PurePosixPath("/a/b.txt").stem, Path("x") / "y", Path("/etc/../usr").name, os.path.exists("/no/such"), os.path.isdir("/usr"))
