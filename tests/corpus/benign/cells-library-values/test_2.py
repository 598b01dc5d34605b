from fractions import Fraction

assert make("fraction") == Fraction(2, 6) and make("fraction").denominator == 3
