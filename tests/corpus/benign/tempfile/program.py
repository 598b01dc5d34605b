import os
import tempfile

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "x.txt")
    with open(path, "w") as stream:
        stream.write("hello")
    print(os.listdir(folder), os.path.getsize(path), open(path).read())
print(os.path.exists(folder))
with tempfile.NamedTemporaryFile("w+", suffix=".txt") as stream:
    stream.write("abc")
    stream.seek(0)
    print(stream.read(), os.path.exists(stream.name))
with tempfile.TemporaryFile() as stream, tempfile.SpooledTemporaryFile() as other:
    stream.write(b"12")
    other.write(b"345")
    print(stream.tell(), other.tell())
