answer = pair([1])
answer[0].append(2)
assert answer[1] == [1, 2]
