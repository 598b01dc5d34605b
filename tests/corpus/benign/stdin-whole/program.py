import sys

print(sys.stdin.readline().strip())
print(next(sys.stdin).strip())
print(repr(sys.stdin.read()))
