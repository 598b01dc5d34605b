nested = []
for _ in range(10**5):
    nested = [nested]
assert add(nested, nested) == 5
