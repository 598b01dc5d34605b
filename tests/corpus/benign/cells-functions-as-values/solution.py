def apply(f, items):
    return [f(x) for x in items]

def adder(n):
    return lambda x: x + n

def compose(*functions):
    def composed(x):
        for f in reversed(functions):
            x = f(x)
        return x
    return composed
