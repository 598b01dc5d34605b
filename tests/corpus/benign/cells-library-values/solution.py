from collections import Counter, OrderedDict, defaultdict, deque
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction

def make(kind):
    groups = defaultdict(list)
    groups["a"].append(1)
    return {
        "decimal": Decimal("1.10"),
        "fraction": Fraction(1, 3),
        "datetime": datetime(2024, 1, 2, 3, 4),
        "date": date(2024, 1, 2),
        "time": time(3, 4),
        "timedelta": timedelta(hours=5),
        "counter": Counter("aab"),
        "deque": deque([1, 2], maxlen=5),
        "defaultdict": groups,
        "ordered": OrderedDict(a=1, b=2),
    }[kind]
