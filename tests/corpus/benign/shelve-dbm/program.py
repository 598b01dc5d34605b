import dbm
import marshal
import pickle
import shelve

with shelve.open("shelf", writeback=True) as shelf:
    shelf["k"] = [1]
    shelf["k"].append(2)
with shelve.open("shelf") as shelf:
    print(dict(shelf))
with dbm.open("base", "c") as base:
    base["a"] = "1"
    print(base["a"])
with open("p.bin", "wb") as file:
    pickle.dump({"a": (1, 2)}, file)
    pickle.dump([3], file)
with open("p.bin", "rb") as file:
    print(pickle.load(file), pickle.load(file), marshal.loads(marshal.dumps([1, "a"])))
