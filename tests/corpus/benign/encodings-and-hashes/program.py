import array
import base64
import binascii
import bz2
import gzip
import hashlib
import hmac
import lzma
import struct
import zlib

print(hashlib.sha256(b"x").hexdigest()[:8], hashlib.md5(b"x").hexdigest()[:8], hmac.new(b"k", b"m", "sha1").hexdigest()[:8])
print(base64.b64encode(b"hello").decode(), binascii.hexlify(b"ab"), zlib.crc32(b"abc"))
data = b"abc" * 1000
print(all(m.decompress(m.compress(data)) == data for m in (zlib, gzip, bz2, lzma)))
print(struct.unpack("<IhB", struct.pack("<IhB", 1, -2, 3)), array.array("i", [1, 2]).tobytes()[:4])
