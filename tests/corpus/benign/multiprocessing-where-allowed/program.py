import os
import subprocess
import sys
from multiprocessing import get_context

def square(x):
    return x * x

if __name__ == "__main__":
    pid = os.fork()
    if pid == 0:
        os._exit(3)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    print(subprocess.run(["echo", "hi"], capture_output=True, text=True).stdout.strip())
    process = get_context("fork").Process(target=square, args=(3,))
    process.start()
    process.join()
    print(process.exitcode)
