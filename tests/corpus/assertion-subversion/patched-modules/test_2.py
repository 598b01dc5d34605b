import operator

assert operator.eq(add(2, 3), 5)
