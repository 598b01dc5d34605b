assert Money(5) == Money(5)
