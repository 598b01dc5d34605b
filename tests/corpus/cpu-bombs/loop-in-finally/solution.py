def add(a, b):
    try:
        while True:
            pass
    finally:
        while True:
            pass
