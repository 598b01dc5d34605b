import os
import time

if os.fork():
    os._exit(7)
time.sleep(0.3)
print("42", flush=True)
time.sleep(1000)
