from collections import deque

assert make("deque") == deque([1, 2]) and list(make("deque")) == [1, 2]
