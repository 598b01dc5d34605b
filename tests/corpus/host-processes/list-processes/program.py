import glob

found = []
for path in glob.glob("/proc/[0-9]*/cmdline"):
    try:
        text = open(path).read()
    except OSError:
        continue
    if "{{TOKEN}}" in text or "pytest" in text:
        found.append(text)
if not found:
    raise ProcessLookupError("held")
print(found)
