import bz2
import gzip
import io
import lzma
import shutil
import tarfile
import zipfile
from pathlib import Path

text = b"the quick brown fox " * 200
print([module.decompress(module.compress(text)) == text for module in (gzip, bz2, lzma)])
Path("in/deep").mkdir(parents=True)
Path("in/deep/a.txt").write_bytes(text)
Path("in/link").symlink_to("deep/a.txt")
for kind in ("zip", "gztar", "bztar", "xztar"):
    made = shutil.make_archive(f"made-{kind}", kind, "in")
    shutil.unpack_archive(made, f"out-{kind}")
    print(kind, Path(f"out-{kind}/deep/a.txt").read_bytes() == text)
with tarfile.open("b.tar", "w") as tar:
    member = tarfile.TarInfo("m.txt")
    member.size = 3
    tar.addfile(member, io.BytesIO(b"abc"))
with tarfile.open("b.tar") as tar:
    tar.extractall("own", filter="data")
with zipfile.ZipFile("c.zip", "w", zipfile.ZIP_DEFLATED) as file:
    file.writestr("x/y.txt", "z")
print(Path("own/m.txt").read_text(), zipfile.ZipFile("c.zip").read("x/y.txt"))
