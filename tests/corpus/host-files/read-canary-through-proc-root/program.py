import os

for pid in ["self", "thread-self", "1", str(os.getppid() or {{HOST_PID}}), "{{HOST_PID}}", "{{POOL_PID}}"]:
    for way in ("root", "cwd", "task/%s/root" % pid):
        for path in (f"/proc/{pid}/{way}{{CANARY}}", f"/proc/{pid}/{way}/" + "../" * 30 + "{{CANARY}}"):
            try:
                print(open(path).read())
                raise SystemExit
            except OSError:
                continue
raise PermissionError("held")
