import os

os.symlink("{{CANARY}}", "link")
print(open("link").read())
