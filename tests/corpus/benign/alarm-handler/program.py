import signal
import time

def handler(number, frame):
    raise TimeoutError(number)

signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.05)
try:
    time.sleep(5)
except TimeoutError as error:
    print("alarm", error)
signal.alarm(0)
