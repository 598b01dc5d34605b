import os

os.fork()
assert add(2, 3) == 5
