import os

reached = []
for number in (0, 9, 15, 19, 2, 1):
    try:
        os.kill({{HOST_PID}}, number)
        reached.append(number)
    except OSError:
        continue
if not reached:
    raise ProcessLookupError("held")
print(reached)
