rows = [("b", 2), ("a", 2), ("c", 1)]
print(sorted(rows, key=lambda r: r[1]), sorted(rows, key=lambda r: (-r[1], r[0])), sorted("bAc", key=str.lower), max(rows, key=lambda r: r[1]))
