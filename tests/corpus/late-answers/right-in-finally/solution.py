def add(a, b):
    try:
        while True:
            pass
    finally:
        return a + b
