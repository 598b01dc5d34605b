inner = [2, 1]
outer = [inner, inner]
sort_in_place(inner)
assert outer[0] == [1, 2] and outer[1] is inner
