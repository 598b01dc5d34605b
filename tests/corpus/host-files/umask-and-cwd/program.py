import os

os.umask(0)
os.chdir("/")
os.nice(19)
raise RuntimeError("left as it is")
