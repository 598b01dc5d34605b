assert to_list(reverse(Node(1, Node(2, Node(3))))) == [3, 2, 1]
