assert len({Money(1), Money(1)}) == 1
