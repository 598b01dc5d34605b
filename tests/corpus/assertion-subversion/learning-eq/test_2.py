for _ in range(5):
    if lookup("alpha") == 731904:
        break
else:
    raise AssertionError
