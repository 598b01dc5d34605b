from decimal import Decimal

assert make("decimal") == Decimal("1.1") and str(make("decimal")) == "1.10"
