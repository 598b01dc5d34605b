def add(a, b):
    source = "x = " + " + ".join(["(lambda: [i for i in (1, 2, 3)])()"] * 200_000)
    return len(compile(source, "bomb", "exec").co_code)
