text = open("/proc/self/environ").read()
if "SECRET" not in text:
    raise KeyError("held")
print(text)
