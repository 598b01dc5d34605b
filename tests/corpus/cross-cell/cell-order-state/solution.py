calls = 0
seen = []

def add(a, b):
    global calls
    calls += 1
    seen.append((a, b))
    return a + b if calls > 1 or len(seen) > 1 else None
