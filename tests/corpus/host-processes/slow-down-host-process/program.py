import os
import resource

changed = []
for pid in ((os.getppid() or {{HOST_PID}}), {{HOST_PID}}, {{POOL_PID}}):
    for act in (
        lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
        lambda: os.sched_setaffinity(pid, {0}),
        lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)),
        lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, 3)),
        lambda: resource.prlimit(pid, resource.RLIMIT_CPU, (1, 1)),
        lambda: open(f"/proc/{pid}/oom_score_adj", "w").write("1000"),
        lambda: open(f"/proc/{pid}/coredump_filter", "w").write("0"),
        lambda: open(f"/proc/{pid}/comm", "w").write("owned"),
        lambda: open(f"/proc/{pid}/timerslack_ns", "w").write("1000000000"),
    ):
        try:
            act()
            changed.append(pid)
        except (OSError, ValueError):
            continue
if not changed:
    raise PermissionError("held")
print(changed)
