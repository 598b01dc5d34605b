import os

for _ in range(10_000):
    os.mkdir("d" * 100)
    os.chdir("d" * 100)
raise RuntimeError("built")
