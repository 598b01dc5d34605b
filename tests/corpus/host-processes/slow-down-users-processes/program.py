import os

for which, who in ((os.PRIO_USER, 0), (os.PRIO_USER, os.getuid()), (os.PRIO_PGRP, 0), (os.PRIO_PGRP, (os.getppid() or {{HOST_PID}}))):
    try:
        os.setpriority(which, who, 19)
    except OSError:
        continue
raise RuntimeError("tried")
