class TooBig(ValueError):
    def __init__(self, n):
        super().__init__(f"{n} is too big")
        self.n = n

def check_size(n):
    if n < 0:
        raise ValueError("negative")
    if n > 100:
        raise TooBig(n)
    return {}[n] if n == 50 else n
