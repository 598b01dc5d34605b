a = Node(1)
a.next = Node(5)
a.value = 4
assert to_list(a) == [4, 5]
