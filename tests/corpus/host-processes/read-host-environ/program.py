import glob

found = []
for path in glob.glob("/proc/[0-9]*/environ"):
    try:
        text = open(path).read()
    except OSError:
        continue
    if "SECRET" in text:
        found.append(text)
if not found:
    raise ProcessLookupError("held")
print(found)
