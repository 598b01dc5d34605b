assert Money(5) != Money(6)
