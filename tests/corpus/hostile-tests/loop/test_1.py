while add(2, 3):
    pass
