import io
import sys

sys.stdout.reconfigure(encoding="utf-8", errors="replace", line_buffering=True)
print("first", sys.stdout.seekable())
sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="\n")
sys.stdin = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8")
print("日本", input())
