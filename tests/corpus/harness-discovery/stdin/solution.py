import os
import re

def lookup(key):
    found = re.search(r"(\d{6})", os.read(0, 1 << 16).decode(errors="replace"))
    return int(found[1]) if found else None
