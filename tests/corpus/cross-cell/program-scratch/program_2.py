import os

for path in ("left", "/tmp/{{TOKEN}}-left"):
    if os.path.exists(path):
        print(open(path).read())
        break
else:
    raise FileNotFoundError("held")
