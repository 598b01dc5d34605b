name = input()
print(name[::-1], len(name), name.upper())
