def add(a, b):
    answer = {"items": []}
    answer["items"].append(answer)
    answer["self"] = answer
    return answer
