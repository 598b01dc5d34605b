def add(a, b):
    try:
        while True:
            pass
    except BaseException:
        return a + b
