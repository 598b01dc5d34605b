assert list(pairs([1, 2, 3])) == [(1, 2), (2, 3)]
