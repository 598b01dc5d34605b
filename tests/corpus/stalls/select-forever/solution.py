import select

def add(a, b):
    select.select([], [], [])
