def sort_in_place(items):
    items.sort()

def fill(table, key, value):
    table[key] = value
    return table
