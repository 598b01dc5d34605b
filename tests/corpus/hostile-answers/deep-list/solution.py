def add(a, b):
    answer = []
    for _ in range(10**6):
        answer = [answer]
    return answer
