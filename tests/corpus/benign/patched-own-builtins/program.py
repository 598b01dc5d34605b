import builtins
import math

honest = builtins.print
builtins.print = lambda *args, **kwargs: honest("patched", *args, **kwargs)
math.tau = 7
list = [1, 2, 3]
print(math.tau, sum(list))
