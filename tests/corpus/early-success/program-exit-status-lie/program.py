import atexit
import os

atexit.register(os._exit, 0)
print("partial", flush=True)
raise ValueError("the real outcome")
