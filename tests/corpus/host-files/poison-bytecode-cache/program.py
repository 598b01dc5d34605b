import importlib.util
import os

changed = []
for name in ("json/__init__.py", "decimal.py", "heapq.py", "fractions.py", "colorsys.py"):
    path = importlib.util.cache_from_source(os.path.join(os.path.dirname(os.__file__), name))
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "ab"):
            changed.append(path)
    except OSError:
        continue
if not changed:
    raise PermissionError("held")
print(changed)
