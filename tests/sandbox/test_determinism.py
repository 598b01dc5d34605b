"""The same program does the same thing, in every subject, template and pool."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from sv_sandbox import Layer, Limits, Pool, Verdict

PROGRAMS = {
    "order of a set of strings": "print(list({f'word{i}' for i in range(40)}))",
    "hash of strings": "print(hash('abc'), hash(b'abc'), hash(('a', 1)))",
    "random at the start": "import random\nprint(random.random(), random.sample(range(99), 5))",
    "order of a set of objects": """
class Thing: pass
things = [Thing() for _ in range(64)]
print([things.index(t) for t in set(things)])
""",
    "order of a set of functions": """
functions = [lambda i=i: i for i in range(64)]
print([f() for f in set(functions)], [hash(f) for f in functions][:3])
""",
    "addresses": "print(id(object()), id(print), id([]))",
    "time zone and language": """
import locale, time
print(time.tzname, locale.getlocale(), time.strftime('%A', time.gmtime(0)))
""",
    "who and where": "import os\nprint(os.getcwd(), os.getuid(), sorted(os.environ.items()))",
}


MODES: dict[str, dict[str, Any]] = {
    "forked": {"recycle": False},
    "recycled": {"_check_recycled": True},
}


@pytest.fixture(scope="module", params=MODES)
def pools(request: pytest.FixtureRequest) -> Iterator[list[Pool]]:
    """Two pools of two workers. Addresses differ between a fork and a recycled subject, and with
    them the order of objects that hash by these (SECURITY.md); each has always the same."""
    with ExitStack() as opened:
        mode = MODES[request.param]
        made = [opened.enter_context(Pool(2, limits=Limits(cpu_s=1), **mode)) for _ in range(2)]
        if request.param == "recycled" and not made[0].recycles:
            pytest.skip(f"no recycled subjects here: {made[0].why_not_recycled}")
        yield made


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_prints_the_same_everywhere(pools: list[Pool], name: str) -> None:
    if name == "who and where" and Layer.MOUNT_NAMESPACE not in pools[0].layers:
        pytest.skip("the working folder is one of the host's: its name differs")
    outputs = {pool.run(PROGRAMS[name]).stdout for pool in pools for _ in range(4)}
    assert len(outputs) == 1
    assert outputs.pop().strip()


def test_it_does_not_depend_on_what_ran_before(pools: list[Pool]) -> None:
    pool = pools[0]
    clean = pool.run(PROGRAMS["order of a set of objects"]).stdout
    for _ in range(3):
        pool.run("import random, os; random.seed(5); open('/tmp/x', 'w').close()")
        pool.matrix(["import json\ncache = [object() for _ in range(99999)]"], ["pass"] * 3)
    assert pool.run(PROGRAMS["order of a set of objects"]).stdout == clean


def test_cells_are_repeatable(pools: list[Pool], judge: str) -> None:
    solution = """
import random
class Thing: pass
def f():
    things = [Thing() for _ in range(32)]
    return [random.random(), list(set('abcdefgh')), [things.index(t) for t in set(things)]]
"""
    shown = set()
    for pool in pools:
        m = pool.matrix([solution] * 4, ["raise ValueError(repr(f()))"], judge=judge)
        assert {m.verdict(s, 0) for s in range(4)} == {Verdict.EXCEPTION}
        shown |= {m.detail(s, 0) for s in range(4)}
    assert len(shown) == 1, shown
