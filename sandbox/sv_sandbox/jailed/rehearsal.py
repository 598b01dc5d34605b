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

from . import heap, rows, subject, values
from .source import head_of, packed
from .values import native

_ROUNDS = 2
SOLUTION = """
import functools, itertools, math, re, string
from collections import Counter, defaultdict, deque
from typing import List, Optional

class Node:
    def __init__(self, value, next=None):
        self.value, self.next = value, next

def f(x: List[int], k: int = 3, *more, **words) -> Optional[int]:
    return x

def g(n):
    head, seen, out, groups = None, set(), '', defaultdict(list)
    for i, c in enumerate(str(n) * n):
        out += c.upper() if i % 2 else c.lower()
        seen.add(i ** 2)
        head = Node(i, head)
        groups[len(out)].append(c)
    while head:
        head = head.next
    pairs = sorted(((-i, str(i)) for i in seen), key=lambda p: (p[0], p[1]))
    total = functools.reduce(lambda a, b: a + b, itertools.chain(seen, [0]))
    return (pairs, total, math.gcd(12, n), Counter(out).most_common(2), list(deque(seen, 2)),
            out[::-1].strip().replace('a', 'b').split(), {k: v for k, v in groups.items() if v},
            '%05.2f' % n, f'{n:>8}', all(seen), tuple(seen), g(n - 1) if n > 2 else {}['missing'])

def h(x):
    assert x, 'small'
    try:
        return 1 // x
    except TypeError as error:
        raise ValueError(str(error))
"""
PLAIN = """
def f(x):
    return x

def g(n):
    found = {}
    for i in range(n):
        found[i] = [str(i).upper(), i % 3]
    return sorted(found.items()), found['missing']

def h(x):
    return 1 // x
"""
"""Plain at sight, as most."""
ARRAYS = """
import numpy as np

def f(xs):
    return np.array(xs) + np.array([1])

def g(n):
    a, m = np.array([3.0, 1, n]), np.array([[1, 2], [3, 4]])
    b = np.sort(a)[::-1] * 2 + np.arange(len(a)) + np.zeros(3) + np.ones(3)
    np.random.seed(n)
    return (a.mean(), a.std(), b.tolist(), int(a.argmax()), np.cumsum(a), m @ m.T, str(m), m.shape,
            np.unique(m), m[m > 1], m.reshape(-1).sum(), np.random.rand(2), np.where(a > 1, 1, 0))
"""
"""The same where NumPy is loaded."""
CALLS = (("f", 1), ("f", [1, [2.5, "a"]]), ("f", {"k": (1, None)}), ("g", 9), ("h", 0), ("h", "a"))
"""What is asked of each of them."""
PROGRAM = """
import sys, heapq

def solve(a, k):
    heapq.heapify(a)
    best = 0
    while a:
        best = max(best, heapq.heappop(a) - k)
    return best

n, k = map(int, input().split())
print(solve(list(map(int, sys.stdin.read().split())), k), f'{n:>8.2f}', sep=' | ')
sys.stdout.write(f'{n / k}\\n')
print(1 // (n - 3), file=sys.stderr)
"""
PROGRAMS = (
    (PROGRAM, "3 1\n5 2 9\n"),
    (PROGRAM, "4 1\n5 2 9\n"),
    ("print('a'\n", ""),
    ("input()", ""),
)
"""Programs, and what they read."""


def rehearse() -> None:
    """Run them, and leave nothing of them that a program could find."""
    subject.claim()
    for _ in range(_ROUNDS):
        _programs()
        _solutions()
    sys.modules.pop("solution", None)
    for name in ("program.py", "<solution>"):
        linecache.cache.pop(name, None)
    # Calls that the interpreter has specialised are one level of recursion less.
    for function in (subject.execute, subject.let_go, rows.run_row):
        function.__code__ = function.__code__.replace()
    gc.collect()
    heap.fill()
    gc.collect()
    gc.freeze()


def _solutions() -> None:
    requests = []
    for name, given in CALLS:
        requests.append(values.encode((None, (((name, (given,), {}),),), True, (False,))))
    for source in ("def f(x:", PLAIN, SOLUTION, *([ARRAYS] if "numpy" in sys.modules else [])):
        for text in (source.encode(), packed(source.encode(), head_of("f", {}))):
            native.stage([text, *map(bytes, requests)])
            rows.run_row(0, len(requests), rows.Calls(True))


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
        sys.modules["__main__"], sys.stdin, sys.argv[:], sys.path[:] = before
