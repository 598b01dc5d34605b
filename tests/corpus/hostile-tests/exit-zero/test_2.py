import os

add(2, 3)
os._exit(0)
