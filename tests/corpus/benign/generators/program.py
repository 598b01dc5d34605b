def inner():
    received = yield 1
    try:
        yield received
    except ValueError:
        yield "caught"
    finally:
        print("closed")

def outer():
    yield from inner()

g = outer()
print(next(g), g.send("x"), g.throw(ValueError()))
g.close()
print(sum(x * x for x in range(10)), list(zip("ab", range(9))))
