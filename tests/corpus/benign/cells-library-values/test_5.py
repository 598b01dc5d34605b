from collections import Counter

assert make("counter") == Counter(a=2, b=1) and make("counter") == {"a": 2, "b": 1} and make("counter")["zzz"] == 0
