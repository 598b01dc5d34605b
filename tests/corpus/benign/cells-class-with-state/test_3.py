s = Stack()
try:
    s.pop()
    assert False
except IndexError as error:
    assert str(error) == "empty stack"
