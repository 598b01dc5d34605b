from fractions import Fraction

assert half(1) == Fraction(1, 2)
