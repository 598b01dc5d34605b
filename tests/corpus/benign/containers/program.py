import bisect
import heapq
from collections import ChainMap, Counter, OrderedDict, defaultdict, deque, namedtuple

heap = [5, 1, 4]
heapq.heapify(heap)
heapq.heappush(heap, 0)
print([heapq.heappop(heap) for _ in range(4)], heapq.nlargest(2, [1, 9, 3]), list(heapq.merge([1, 4], [2, 3])))
print(bisect.bisect_left([1, 3, 5], 3), Counter("abca").most_common(1), deque([1, 2, 3], maxlen=2))
groups = defaultdict(list)
groups["x"].append(1)
order = OrderedDict(a=1, b=2)
order.move_to_end("a")
Point = namedtuple("Point", "x y")
print(dict(groups), list(order), Point(1, 2)._replace(x=9), ChainMap({"a": 1}, {"a": 2, "b": 3})["b"])
