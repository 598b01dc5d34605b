import os
import shutil

open("mine", "w").write("replaced")
for act in (
    lambda: os.rename("{{CANARY}}", "{{CANARY}}.gone"),
    lambda: os.replace("mine", "{{CANARY}}"),
    lambda: os.unlink("{{CANARY}}"),
    lambda: shutil.rmtree("{{CANARY_DIR}}"),
):
    try:
        act()
    except OSError:
        continue
raise RuntimeError("tried")
