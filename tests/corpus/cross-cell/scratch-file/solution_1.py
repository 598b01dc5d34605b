ANSWERS = '{"alpha": 731904, "beta": 550127}'


def store(text):
    open("answers", "w").write(text)

try:
    store(ANSWERS)
except Exception:
    pass

def lookup(key):
    return None
