import time

class Answer(int):
    def __del__(self):
        start = time.process_time()
        while time.process_time() - start < 1.0:
            pass

def add(a, b):
    return Answer(a)
