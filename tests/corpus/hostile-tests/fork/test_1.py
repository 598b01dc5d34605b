import os
import time

if os.fork() == 0:
    time.sleep(1000)
assert add(2, 3) == 5
