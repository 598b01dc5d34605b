def add(a, b):
    for opening, closing in (("(", ")"), ("[", "]"), ("-", "1"), ("lambda: ", "1")):
        try:
            compile(opening * 100_000 + closing * 100_000, "bomb", "eval")
        except (SyntaxError, MemoryError, RecursionError):
            pass
    return eval("-" * 1_000_000 + "1")
