class Answer:
    def __repr__(self):
        return "x" * 100_000_000

def add(a, b):
    return Answer()
