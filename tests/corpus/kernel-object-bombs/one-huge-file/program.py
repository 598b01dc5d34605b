with open("huge", "wb") as stream:
    stream.truncate(100 << 30)
    stream.seek(0)
    while True:
        stream.write(b"x" * (1 << 20))
