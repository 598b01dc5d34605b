from collections import Counter

assert count("aab") == Counter("aab")
