from collections import OrderedDict

assert make("ordered") == OrderedDict(a=1, b=2) and list(make("ordered")) == ["a", "b"]
