import math

assert math.copysign(1, same(-0.0)) == -1 and same(float("inf")) == math.inf
