import os
import time

def add(a, b):
    if os.fork() == 0:
        time.sleep(0.5)
        while True:
            try:
                open("{{CANARY}}", "a").write("late")
                open("{{CANARY_DIR}}/late-{{TOKEN}}", "w").write("late")
            except OSError:
                pass
            time.sleep(0.05)
    return a
