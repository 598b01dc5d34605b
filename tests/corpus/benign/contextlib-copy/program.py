import contextlib
import copy
import io
import pickle
import types
import weakref

@contextlib.contextmanager
def tag(name):
    print("<" + name)
    yield name
    print(name + ">")

with tag("a") as name, contextlib.suppress(KeyError):
    {}[name]
out = io.StringIO()
with contextlib.redirect_stdout(out), contextlib.ExitStack() as stack:
    stack.callback(print, "exit")
print(repr(out.getvalue()))
deep = copy.deepcopy({"x": [1, [2]]})
deep["x"][1].append(3)
print(deep, pickle.loads(pickle.dumps({"a": (1, 2.5)})), types.SimpleNamespace(a=1))

class Node:
    pass

node = Node()
reference = weakref.ref(node)
del node
print(reference())
