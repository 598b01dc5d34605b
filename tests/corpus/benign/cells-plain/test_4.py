assert same([1, (2, 3), {4}, {5: [6]}, frozenset([7])]) == [1, (2, 3), {4}, {5: [6]}, frozenset([7])]
