import tempfile

for folder in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/run/lock", "/var/lock", "/dev", "/", tempfile.gettempdir(), "."):
    try:
        open(f"{folder}/{{TOKEN}}-left", "w").write("x")
    except OSError:
        continue
raise RuntimeError("tried")
