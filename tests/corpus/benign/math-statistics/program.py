import cmath
import math
import statistics

print(math.gcd(12, 18), math.comb(10, 3), math.isqrt(99), math.factorial(20), round(math.pi, 5), math.lcm(4, 6))
print(statistics.mean([1, 2, 3, 4]), statistics.median([3, 1, 2]), round(statistics.stdev([1, 2, 3, 4]), 4), statistics.mode("aab"))
print(cmath.sqrt(-1), math.hypot(3, 4), math.inf > 10**100, math.prod([2, 3]))
