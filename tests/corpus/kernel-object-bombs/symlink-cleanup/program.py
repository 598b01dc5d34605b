import os
import threading

def swap():
    while True:
        for name in ("a", "b"):
            try:
                os.rename("tree", name)
                os.symlink("{{CANARY_DIR}}", "tree")
                os.unlink("tree")
                os.rename(name, "tree")
            except OSError:
                pass

os.makedirs("tree/sub")
threading.Thread(target=swap, daemon=True).start()
os.symlink("{{CANARY_DIR}}", "direct")
raise RuntimeError("built")
