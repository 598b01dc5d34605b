import weakref


class Part:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        print("gone:", self.name, len(PARTS))


PARTS = []
first, second = Part("first"), Part("second")
cycle = Part("cycle")
cycle.me = cycle
weakref.finalize(first, print, "finalized")
PARTS.append(1)
print("end")
