def add(a, b):
    answer = ()
    for _ in range(50_000):
        answer = frozenset([(answer,)])
    return answer
