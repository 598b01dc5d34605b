import re

print(re.findall(r"(\w+)@(\w+)\.com", "ann@site.com bob@home.com"))
print(re.sub(r"\d+", lambda m: str(int(m[0]) * 2), "a1b22"), re.split(r"[,;]\s*", "a, b;c"))
print(re.fullmatch(r"(?P<year>\d{4})-(?P<month>\d\d)", "2024-05").groupdict(), bool(re.search(r"(?<=x)y(?!z)", "xy", re.I)))
