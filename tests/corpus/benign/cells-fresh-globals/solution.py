calls = []
count = 0

def visit(x, seen=[]):
    global count
    count += 1
    calls.append(x)
    seen.append(x)
    return count + len(calls) + len(seen)
