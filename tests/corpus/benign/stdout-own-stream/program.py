import os
import sys
from io import BytesIO, IOBase


class Fast(IOBase):
    def __init__(self, file):
        self.number = file.fileno()
        self.kept = BytesIO()

    def readline(self):
        if not self.kept.getbuffer().nbytes:
            self.kept.write(os.read(self.number, 1 << 16))
            self.kept.seek(0)
        return self.kept.readline().decode()

    def write(self, text):
        return self.kept.write(text.encode())

    def flush(self):
        os.write(self.number, self.kept.getvalue())
        self.kept = BytesIO()


sys.stdin, sys.stdout = Fast(sys.stdin), Fast(sys.stdout)
count = int(sys.stdin.readline())
print(count, sum(map(int, sys.stdin.readline().split())))
