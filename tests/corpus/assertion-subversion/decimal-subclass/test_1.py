from decimal import Decimal

assert price(1) == Decimal("1.10")
