import os
import shutil
from pathlib import Path

Path("sub/deep").mkdir(parents=True)
Path("sub/deep/a.txt").write_text("alpha")
shutil.copy("sub/deep/a.txt", "sub/b.txt")
os.rename("sub/b.txt", "c.txt")
texts = [*Path(".").glob("*.txt"), *Path("sub").rglob("*.txt")]
print(sorted(map(str, texts)), Path("c.txt").read_text())
os.symlink("c.txt", "link")
print(os.readlink("link"), Path("link").read_text(), os.stat("c.txt").st_size)
with open("c.txt", "ab") as stream:
    stream.write(b"!")
shutil.rmtree("sub")
print(Path("c.txt").read_bytes(), os.path.exists("sub"))
