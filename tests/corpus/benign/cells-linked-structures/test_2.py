n = reverse(Node(1, Node(2)))
assert n.value == 2 and n.next.value == 1 and n.next.next is None
