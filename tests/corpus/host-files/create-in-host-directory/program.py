import os
import socket

os.makedirs("{{CANARY_DIR}}", exist_ok=True)
for act in (
    lambda: open("{{CANARY_DIR}}/{{TOKEN}}-file", "w").close(),
    lambda: os.mkdir("{{CANARY_DIR}}/{{TOKEN}}-dir"),
    lambda: os.symlink("/", "{{CANARY_DIR}}/{{TOKEN}}-link"),
    lambda: os.mkfifo("{{CANARY_DIR}}/{{TOKEN}}-fifo"),
    lambda: os.link("{{CANARY}}", "{{CANARY_DIR}}/{{TOKEN}}-hard"),
    lambda: socket.socket(socket.AF_UNIX).bind("{{CANARY_DIR}}/{{TOKEN}}-sock"),
):
    try:
        act()
    except OSError:
        continue
raise RuntimeError("tried")
