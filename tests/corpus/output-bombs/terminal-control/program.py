import sys

sys.stdout.buffer.write(b"\x1b]0;owned\x07\x1b[2J\x00\xff\xfe\x1b[8m" * 10)
raise ValueError("\x1b]52;c;b3duZWQ=\x07\x00")
