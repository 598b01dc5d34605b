from fractions import Fraction

print(Fraction(1, 3) + Fraction(1, 6), Fraction("0.125"), Fraction(3.5).limit_denominator(10), Fraction(7, 3) // 1)
