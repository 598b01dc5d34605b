a, b = Stack(), Stack()
a.push(1)
assert len(a) == 1 and len(b) == 0
