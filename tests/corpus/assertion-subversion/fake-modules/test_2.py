from operator import eq

assert eq(add(2, 3), 5)
