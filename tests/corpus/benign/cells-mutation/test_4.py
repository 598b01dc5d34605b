items = [3, 1]
alias = items
sort_in_place(items)
assert alias == [1, 3]
