import io
import tempfile
from pathlib import Path

import numpy as np

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder)
    np.savez_compressed(path / "a.npz", x=np.arange(3), y=np.eye(2))
    with np.load(path / "a.npz") as data:
        print(sorted(data), data["y"].sum())
    np.save(path / "b.npy", np.arange(5))
    print(np.load(path / "b.npy", mmap_mode="r")[3])
    mapped = np.memmap(path / "c", dtype="int32", mode="w+", shape=(4,))
    mapped[:] = 7
    mapped.flush()
    print(np.fromfile(path / "c", dtype="int32").sum())
    del mapped
    np.savetxt(path / "d.txt", np.eye(2), fmt="%d")
    print(np.loadtxt(path / "d.txt").tolist())
people = np.array([("b", 2), ("a", 1)], dtype=[("name", "U5"), ("age", "i4")])
people.sort(order="age")
print(people["name"].tolist(), np.genfromtxt(io.StringIO("1,2\n3,4"), delimiter=",").tolist())
