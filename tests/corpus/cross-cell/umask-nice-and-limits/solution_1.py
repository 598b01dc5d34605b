ANSWERS = '{"alpha": 731904, "beta": 550127}'

import os
import resource
import signal

def store(text):
    os.umask(0o123)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (61, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])

try:
    store(ANSWERS)
except Exception:
    pass

def lookup(key):
    return None
