import os
import time

class Leave:
    def __del__(self):
        if os.fork() == 0:
            os.setsid()
            time.sleep(1000)

leave = Leave()

def add(a, b):
    return Leave()
