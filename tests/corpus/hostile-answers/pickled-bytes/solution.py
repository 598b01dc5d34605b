def add(a, b):
    return b"cposix\n_exit\n(I0\ntR."
