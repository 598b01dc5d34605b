import os

for flags in (os.O_WRONLY | os.O_APPEND, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_RDONLY | os.O_TRUNC):
    try:
        os.write(os.open("{{CANARY}}", flags), b"appended")
    except OSError:
        continue
raise RuntimeError("tried")
