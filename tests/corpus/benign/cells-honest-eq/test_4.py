assert sorted([Money(3), Money(1)])[0] == Money(1)
