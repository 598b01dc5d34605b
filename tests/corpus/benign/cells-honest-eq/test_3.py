assert Money(2) + Money(3) == Money(5)
