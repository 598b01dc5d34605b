import os
import signal

seen = []
signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
os.kill(os.getpid(), signal.SIGUSR1)
signal.raise_signal(signal.SIGUSR1)
print(len(seen))
try:
    signal.raise_signal(signal.SIGINT) if signal.getsignal(signal.SIGINT) is signal.default_int_handler else print("default")
except KeyboardInterrupt:
    print("default")
