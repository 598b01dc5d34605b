items = [str(n) for n in range(1_000_000)]
index = {text: n for n, text in enumerate(items)}
print(len(items), index["777777"])
