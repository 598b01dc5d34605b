import ast
import dis
import inspect

def f(a, *, b=2):
    return a + b

print(inspect.signature(f), ast.literal_eval("[1, {'a': (2,)}]"), eval("1 + 1"), len(list(dis.get_instructions(f))) > 3)
namespace = {}
exec("def g(x): return x * 2", namespace)
print(namespace["g"](4), ast.unparse(ast.parse("x=1")), [p.name for p in inspect.signature(f).parameters.values()])
