def ask():
    try:
        return input()
    except EOFError:
        return "nothing"
