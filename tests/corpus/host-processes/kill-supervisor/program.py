import os

reached = []
for number in (0, 19, 9, 15, 2, 1):
    try:
        os.kill({{POOL_PID}}, number)
        reached.append(number)
    except OSError:
        continue
if not reached:
    raise ProcessLookupError("held")
print(reached)
