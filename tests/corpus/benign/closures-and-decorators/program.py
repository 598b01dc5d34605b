from functools import partial, wraps

def counter():
    n = 0
    def step(by=1):
        nonlocal n
        n += by
        return n
    return step

def twice(f):
    @wraps(f)
    def wrapped(*args, **kwargs):
        return f(f(*args, **kwargs))
    return wrapped

@twice
def add_three(x):
    "Adds three."
    return x + 3

step = counter()
step()
print(step(5), add_three(1), add_three.__doc__, partial(pow, 2)(5))
