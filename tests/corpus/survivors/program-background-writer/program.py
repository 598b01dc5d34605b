import os

if os.fork() == 0:
    while True:
        print("x" * 1000, flush=True)
raise RuntimeError("the child goes on")
