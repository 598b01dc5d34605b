import sys

data = sys.stdin.buffer.read().split()
print(len(data), data[-1])
print(open(0).read() == "")
