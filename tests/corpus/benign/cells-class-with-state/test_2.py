s = Stack.of(1, 2, 3)
assert len(s) == 3 and s.top == 3 and list(s) == [1, 2, 3] and 2 in s and s[0] == 1
