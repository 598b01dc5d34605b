s = Stack()
assert s.push(1).push(2).pop() == 2
