box = bytearray(b"answer=000000;")

def lookup(key):
    return int(box[7:13])
