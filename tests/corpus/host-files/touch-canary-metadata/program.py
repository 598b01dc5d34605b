import os

for act in (
    lambda: os.chmod("{{CANARY}}", 0o777),
    lambda: os.chown("{{CANARY}}", 12345, 12345),
    lambda: os.utime("{{CANARY}}", (0, 0)),
    lambda: os.setxattr("{{CANARY}}", "user.owned", b"1"),
    lambda: os.truncate("{{CANARY}}", 0),
):
    try:
        act()
    except OSError:
        continue
raise RuntimeError("tried")
