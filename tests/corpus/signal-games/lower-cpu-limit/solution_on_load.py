import resource

try:
    resource.prlimit(0, resource.RLIMIT_CPU, (0, 0))
except OSError:
    pass
while True:
    pass
