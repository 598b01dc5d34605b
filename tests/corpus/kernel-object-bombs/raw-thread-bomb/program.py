import _thread
import time

while True:
    try:
        _thread.start_new_thread(time.sleep, (1000,))
    except RuntimeError:
        pass
