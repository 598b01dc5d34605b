def add(a, b):
    answer = {}
    for _ in range(10**5):
        answer = {"x": answer}
    return answer
