from decimal import ROUND_HALF_UP, Decimal, getcontext, localcontext

getcontext().prec = 30
print(Decimal(1) / Decimal(7))
print(Decimal("2.675").quantize(Decimal("0.01"), ROUND_HALF_UP), Decimal("0.1") + Decimal("0.2"))
with localcontext() as context:
    context.prec = 5
    print(Decimal(2).sqrt())
