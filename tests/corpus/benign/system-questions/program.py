import multiprocessing
import os
import platform
import resource
import sys

print(os.getpid() > 0, (os.cpu_count() or 1) >= 1, multiprocessing.cpu_count() >= 1, os.name, sys.platform)
print(platform.system(), platform.python_implementation(), sys.version_info >= (3, 11), sys.byteorder, sys.maxsize > 2**32)
print(len(resource.getrlimit(resource.RLIMIT_AS)), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0, os.getuid() >= 0, os.uname().sysname)
print(isinstance(os.environ.get("PATH", ""), str), os.path.isabs(os.getcwd()), os.urandom(4) != os.urandom(4), len(os.sched_getaffinity(0)) >= 1)
