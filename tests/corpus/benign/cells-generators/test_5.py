import itertools

assert list(itertools.islice(numbers(), 3)) == [0, 1, 2]
