assert repr(Money(7)) == "Money(7)" and Money(7).cents == 7
