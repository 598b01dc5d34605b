"""What a subject that is to be recycled does before its memory is copied: rows of our own.

They touch what rows touch (the compiler, the codec, common types and modules), so that later rows
write fewer pages that are not in the copy. Nothing foreign runs here. Out: an interpreter as a
forked subject finds it, but for addresses and what the interpreter keeps of its own speed.
"""

from __future__ import annotations

import gc
import linecache
import os
import sys
from typing import Any

from . import heap, rows, subject, values
from .source import Source, packed
from .values import native

_ROUNDS = 2

SOLUTIONS: tuple[tuple[str, tuple[tuple[Any, ...], ...]], ...] = (
    ("def f(x):\n    return x\n", (("f", 1), ("f", [1, [2.5, "a"]]), ("f", {"k": (1, None)}))),
    ("def f(a, b=2, *c, **d):\n    return a + b\n", (("f", 1), ("f", 1, 5), ("f", "a", "b"))),
    (
        "def f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)\n",
        (("f", 9), ("f", 12)),
    ),
    (
        "def f(text):\n    out = ''\n    for i, c in enumerate(text):\n"
        "        out += c.upper() if i % 2 else c.lower()\n    return out[::-1].strip()\n",
        (("f", "Hello, world"), ("f", "")),
    ),
    (
        "from collections import Counter, defaultdict, deque\ndef f(words):\n"
        "    groups = defaultdict(list)\n    for w in words:\n        groups[len(w)].append(w)\n"
        "    return sorted(groups.items()), Counter(words).most_common(2), list(deque(words, 2))\n",
        (("f", ["a", "bb", "a", "ccc"]),),
    ),
    (
        "import math, re, itertools, functools, string\ndef f(s):\n"
        "    found = s.split(',')\n    pairs = list(itertools.product('ab', repeat=2))\n"
        "    joined = functools.reduce(lambda a, b: a + b, found)\n"
        "    return [math.gcd(12, len(found)), joined, pairs[0]]\n",
        (("f", "1,2,3"),),
    ),
    (
        "class Node:\n    def __init__(self, value, next=None):\n        self.value = value\n"
        "        self.next = next\n    def __repr__(self):\n"
        "        return f'Node({self.value!r})'\n"
        "def f(values):\n    head = None\n    for v in values:\n        head = Node(v, head)\n"
        "    out = []\n    while head:\n        out.append(repr(head))\n        head = head.next\n"
        "    return out\n",
        (("f", [1, 2, 3]),),
    ),
    (
        "def f(d):\n    try:\n        return d['missing']\n    except KeyError as error:\n"
        "        return {k: v for k, v in d.items() if v} | {'error': str(error)}\n",
        (("f", {"a": 1, "b": 0}),),
    ),
    ("def f(x):\n    return 1 // x\n", (("f", 0), ("f", "text"), ("g", 1))),
    ("def f(x):\n    assert x > 1, 'small'\n    raise ValueError(x)\n", (("f", 0), ("f", 5))),
    ("def f(x:\n    return x\n", (("f", 0),)),
    ("raise RuntimeError('at once')\n", (("f", 0),)),
    (
        "from typing import List, Optional\ndef f(nums: List[int], k: int = 3) -> Optional[int]:\n"
        "    '''The k-th largest.\n\n    >>> f([1, 2, 3])\n    1\n    '''\n"
        "    nums = sorted(set(nums), reverse=True)\n"
        "    return nums[k - 1] if len(nums) >= k else None\n",
        (("f", [5, 1, 4, 2]), ("f", [1], 2)),
    ),
    (
        "def f(grid):\n    def walk():\n        for row in grid:\n            yield from row\n"
        "    total, seen = 0, set()\n    for value in walk():\n        if value in seen:\n"
        "            continue\n        seen.add(value)\n        total += value ** 2\n"
        "    return total, max(seen, default=0), any(seen), [*map(str, zip(*grid))]\n",
        (("f", [[1, 2], [2, 3]]), ("f", [])),
    ),
    (
        "def f(n):\n    primes = []\n    for i in range(2, n):\n"
        "        if all(i % p for p in primes):\n            primes.append(i)\n"
        "    return primes, bin(n), '%05.2f' % n, f'{n:>8,}|{n!r}', 2 ** n\n",
        (("f", 60),),
    ),
    (
        "def f(a):\n    a.sort(key=lambda p: (-p[1], p[0]))\n    while a and a[-1][1] < 2:\n"
        "        a.pop()\n"
        "    return a[1:3], a.index(a[0]) if a else -1, tuple(a), frozenset([1])\n",
        (("f", [("b", 2), ("a", 2), ("c", 1)]),),
    ),
    (
        "def f(s):\n    return (s.replace('a', 'b').title().encode(), s.isdigit(), s.find('x'),\n"
        "            ''.join(sorted(s)), s.partition('-'), ord('a'), chr(98), s.ljust(9, '*'))\n",
        (("f", "a-b-c"),),
    ),
    (
        "from dataclasses import dataclass\n@dataclass(order=True)\nclass P:\n    x: int\n"
        "    y: float = 0.0\ndef f(n):\n"
        "    return max(P(i, -i) for i in range(n)).x, isinstance(n, int)\n",
        (("f", 5),),
    ),
)
"""Solutions, and the calls that they get."""

ARRAYS = (
    (
        "import numpy as np\ndef f(xs):\n    a = np.array(xs, dtype=float)\n"
        "    b = np.sort(a)[::-1] * 2 + np.arange(len(a))\n"
        "    return a.mean(), a.std(), b.tolist(), int(a.argmax()), np.cumsum(a).tolist()\n",
        (("f", [3, 1, 2]), ("f", [5.5, 0.5])),
    ),
    (
        "import numpy as np\ndef f(rows):\n    m = np.array(rows)\n"
        "    both = m @ m.T + np.dot(m, m.T)\n"
        "    return both.tolist(), m.reshape(-1).sum(), np.unique(m), m[m > 1], str(m), m.shape\n",
        (("f", [[1, 2], [3, 4]]),),
    ),
    (
        "import numpy as np\ndef f(n):\n    np.random.seed(n)\n"
        "    x = np.linspace(0, 1, 5) + np.zeros(5) + np.ones(5)\n"
        "    return np.random.rand(2), np.where(x > 1.5, 1, 0), np.linalg.det(np.eye(2))\n",
        (("f", 1),),
    ),
    (
        "import numpy as np\ndef f(a, b):\n    return np.array(a) + np.array(b)\n",
        (("f", [1], "x"),),
    ),
)
"""The same where NumPy is loaded."""

PROGRAMS: tuple[tuple[str, str], ...] = (
    ("print(sum(map(int, input().split())))\n", "1 2 3\n"),
    (
        "import sys\n\ndef solve(a, k):\n    a.sort()\n    best = 0\n"
        "    for i in range(len(a)):\n        best = max(best, a[i] - k * i)\n    return best\n\n"
        "def main():\n    data = sys.stdin.read().split()\n    t = int(data[0])\n    at = 1\n"
        "    out = []\n    for _ in range(t):\n        n, k = int(data[at]), int(data[at + 1])\n"
        "        at += 2\n        out.append(str(solve(list(map(int, data[at:at + n])), k)))\n"
        "        at += n\n    print('\\n'.join(out))\n\nif __name__ == '__main__':\n    main()\n",
        "2\n3 1\n5 2 9\n2 4\n1 1\n",
    ),
    (
        "import sys\nfrom collections import defaultdict, deque\nimport heapq\n"
        "input = sys.stdin.readline\nn, m = map(int, input().split())\ng = defaultdict(list)\n"
        "for _ in range(m):\n    a, b, w = map(int, input().split())\n"
        "    g[a].append((b, w))\n    g[b].append((a, w))\n"
        "dist = [float('inf')] * (n + 1)\ndist[1] = 0\nq = [(0, 1)]\nwhile q:\n"
        "    d, u = heapq.heappop(q)\n    if d > dist[u]:\n        continue\n"
        "    for v, w in g[u]:\n        if d + w < dist[v]:\n            dist[v] = d + w\n"
        "            heapq.heappush(q, (d + w, v))\nsys.stdout.write(f'{dist[n]}\\n')\n",
        "3 2\n1 2 4\n2 3 5\n",
    ),
    (
        "import sys, math\nfor line in sys.stdin:\n    x = float(line)\n"
        "    print('%.3f' % math.sqrt(x), f'{x:>8.2f}', x, sep=' | ')\n"
        "print('done', file=sys.stderr)\nsys.exit(0)\n",
        "2\n3.5\n",
    ),
    ("def f(x):\n    return 1 // x\n\nn = int(input())\nprint(f(n - 1))\n", "1\n"),
    ("n = int(input())\nprint(undefined)\n", "x\n"),
    ("print(input())\nprint(input())\nprint(input())\n", "a\nb"),
    ("import sys\nprint('no')\nsys.exit(3)\n", ""),
    ("import sys\nassert input() == 'b', 'not that'\n", "a\n"),
    ("print('a'\n", ""),
    (
        "class Stack:\n    def __init__(self):\n        self.items = []\n"
        "    def push(self, x):\n        self.items.append(x)\n"
        "    def pop(self):\n        return self.items.pop() if self.items else None\n\n"
        "s = Stack()\nimport sys\nfor cmd in sys.stdin.buffer.read().decode().splitlines():\n"
        "    if cmd.startswith('push'):\n        s.push(int(cmd.split()[1]))\n"
        "    else:\n        print(s.pop())\n",
        "push 3\npop\npop\n",
    ),
)
"""Programs, and what they read."""


def rehearse() -> None:
    """Run them, and leave nothing of them that a program could find."""
    subject.claim()
    for _ in range(_ROUNDS):
        _programs()
        _solutions()
    sys.modules.pop("solution", None)
    # Calls that the interpreter has specialised are one level of recursion less.
    for function in (subject.execute, subject.let_go, rows.run_row):
        function.__code__ = function.__code__.replace()
    gc.collect()
    heap.fill()
    gc.collect()
    gc.freeze()


def _solutions() -> None:
    for source, calls in SOLUTIONS + (ARRAYS if "numpy" in sys.modules else ()):
        for text in (source.encode(), packed(Source(source.encode(), "f"))):
            asked: list[object] = [(None, (((name, tuple(args), {}),),)) for name, *args in calls]
            native.stage([text, *(bytes(values.encode(request)) for request in asked)])
            rows.run_row(0, len(calls), rows.Calls())


def _programs() -> None:
    """As `subject.main` runs them, but for what ends an interpreter; their stdin is a stream of its
    own over the same file."""
    before = sys.modules["__main__"], sys.stdin, sys.argv[:], sys.path[:]
    for source, text in PROGRAMS:
        os.ftruncate(0, 0)
        os.pwrite(0, text.encode(), 0)
        os.lseek(0, 0, os.SEEK_SET)
        sys.stdin = open(0, encoding=before[1].encoding, closefd=False)
        native.stage([source.encode(), b""])
        subject.execute(1)
        subject.flush()
        subject.let_go()
        linecache.cache.pop("program.py", None)
        sys.modules["__main__"], sys.stdin, sys.argv[:], sys.path[:] = before
