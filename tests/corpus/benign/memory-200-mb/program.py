data = bytearray(200 * 10**6)
data[::4096] = b"x" * len(data[::4096])
print(len(data), data.count(b"x"))
