def f(x, /, *rest, key=None):
    match x:
        case {"op": "add", "args": [a, b]}:
            return a + b
        case [first, *others]:
            return first, len(others)
        case str() as s if (n := len(s)) > 2:
            return n
        case _:
            return rest, key

print(f({"op": "add", "args": [1, 2]}), f([9, 8, 7]), f("abcd"), f(None, 1, 2, key=3))
a, *b = range(4)
print(a, b, {**{"x": 1}, "y": 2}, [*b, a])
