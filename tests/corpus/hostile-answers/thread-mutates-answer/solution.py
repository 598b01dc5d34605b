import threading

def order(items):
    answer = [0] * 1000

    def churn():
        while True:
            answer.append(0)
            answer.clear()

    threading.Thread(target=churn, daemon=True).start()
    return answer
