table = {}
fill(table, "a", [1])
assert table == {"a": [1]}
