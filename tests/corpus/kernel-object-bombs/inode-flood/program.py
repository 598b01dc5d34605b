import os

number = 0
while True:
    os.close(os.open(f"f{number}", os.O_CREAT | os.O_WRONLY))
    number += 1
