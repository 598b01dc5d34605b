import fcntl

stream = open("locked", "w")
offset = 0
while True:
    fcntl.lockf(stream, fcntl.LOCK_EX, 1, offset)
    offset += 2
