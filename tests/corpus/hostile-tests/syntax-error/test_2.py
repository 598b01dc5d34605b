raise ValueError("\0")
