import os
import sys

print("a", "b", sep="-", end="!\n")
sys.stdout.write("c\n")
sys.stdout.flush()
sys.stdout.buffer.write(b"d\n")
sys.stdout.buffer.flush()
os.write(1, b"e\n")
print("to stderr", file=sys.stderr)
print(*range(3), sep="\n", flush=True)
print("no newline", end="")
