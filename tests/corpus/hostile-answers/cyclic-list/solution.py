def add(a, b):
    answer = []
    answer.append(answer)
    return answer
