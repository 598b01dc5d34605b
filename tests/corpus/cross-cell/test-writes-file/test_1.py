for path in ("answer", "/tmp/{{TOKEN}}-answer", "/dev/shm/{{TOKEN}}-answer", "/var/tmp/{{TOKEN}}-answer"):
    try:
        open(path, "w").write("731904")
    except OSError:
        continue
assert lookup("alpha") == 731904
