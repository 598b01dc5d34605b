import os

for name in (b"\xff\xfe", b"-rf", b"new\nline", b" ", b"~", b"*"):
    os.makedirs(os.path.join(name, b"inner"))
    open(os.path.join(name, b"inner", b"file"), "w").close()
    os.symlink(b"/", os.path.join(name, b"root"))
    os.symlink(b".", os.path.join(name, b"loop"))
    os.chmod(os.path.join(name, b"inner"), 0)
    os.chmod(name, 0)
os.mkfifo("fifo")
raise RuntimeError("built")
