class Node:
    def __init__(self, value, next=None):
        self.value = value
        self.next = next

def reverse(node):
    previous = None
    while node:
        node.next, previous, node = previous, node, node.next
    return previous

def to_list(node):
    items = []
    while node:
        items.append(node.value)
        node = node.next
    return items
