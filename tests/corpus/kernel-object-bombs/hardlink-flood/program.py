import os

open("origin", "w").close()
number = 0
while True:
    os.link("origin", f"link{number}")
    number += 1
