"""Recycled subjects of the interpreter that has NumPy loaded: as forked ones, and nothing is left.

A worker has a keeper for each of its warm interpreters. `recycling` compares all memory of the
subject after each row; what differs would be a hole.
"""

from __future__ import annotations

import pytest

from sv_sandbox import Limits, Pool, Verdict

from .tables import rows
from .test_recycle import Shown, counted, shown

pytest.importorskip("numpy")

BODIES = (
    "np.sort(np.array(xs))[::-1].tolist()",
    "int(np.dot(np.array(xs), np.arange(len(xs))))",
    "np.unique(np.array(xs)).tolist()",
    "np.array(xs)",
    "np.array(xs, dtype=np.int8)",
    "np.mean(xs), np.float32(np.std(xs)), np.median(xs)",
    "np.linalg.norm(np.outer(xs, xs))",
    "np.linalg.solve(np.eye(len(xs)) * 2, xs).tolist()",
    "np.ma.masked_less(np.array(xs), 3).sum()",
    "np.fft.fft(np.array(xs)).real.round(6).tolist()",
    "np.polynomial.Polynomial([1, 2])(np.array(xs)).tolist()",
    "np.random.RandomState(4).permutation(xs).tolist()",
    "np.random.default_rng(4).integers(0, 9, 3).tolist()",
    "str(np.array(xs) / 3)",
    "np.where(np.array(xs) % 2 == 0, 'even', 'odd').tolist()",
    "np.array(xs).reshape(2, 2, 2)",
    "np.array(xs) / 0",
    "np.array([xs, xs[:2]])",
    "np.zeros((1000, 1000)).sum()",
    "[np.float64(x) for x in xs]",
    "np.array(xs, dtype=object) + 'a'",
    "np.einsum('i,i->', xs, xs)",
    "np.vectorize(lambda x: x + 1)(xs).tolist()",
    "np.array(xs).astype('datetime64[D]').astype(str).tolist()",
    "np.save('a.npy', xs), np.load('a.npy').tolist()",
)


def solution(body: str) -> str:
    return f"import numpy as np\ndef f(xs):\n    return {body}\n"


TESTS = [
    "assert f([5, 3, 1]) == [5, 3, 1]",
    "assert f([2, 4]) == 20",
    "assert list(f([7, 7, 8])) == [7, 8]",
    "assert f([]) == 0",
]


def test_verdicts_are_those_of_forked_subjects(recycling: Pool) -> None:
    def act(pool: Pool) -> Shown:
        found: Shown = []
        for body in BODIES:  # a job each, then all in one
            found += shown(pool.matrix([solution(body)], TESTS))
        return found + shown(pool.matrix([solution(body) for body in BODIES], TESTS))

    with Pool(1, limits=recycling.limits, recycle=False) as forked:
        expected = act(forked)
    found, recycled, handed_on = counted(recycling, lambda: act(recycling))
    assert found == expected
    assert recycled > len(BODIES)
    assert recycled + handed_on <= 2 * len(BODIES) * (1 + len(TESTS))  # NumPy is not tidy


LEAVERS = {
    # what a row leaves: (how, what another row sees of it)
    "a function": ("np.sort = None", "repr(np.sort)[:4]"),
    "a new name": ("np.leak = 1", "hasattr(np, 'leak')"),
    "errors": ("np.seterr(all='raise')", "sorted(np.geterr().items())"),
    "printing": ("np.set_printoptions(precision=1)", "np.get_printoptions()['precision']"),
    "a seed": ("np.random.seed(3)", "np.random.rand()"),
    "numbers drawn": ("np.random.rand(100)", "np.random.rand()"),
    "its bit generator": (
        "np.random.set_state(np.random.RandomState(9).get_state())",
        "np.random.randint(10**9)",
    ),
    "a constant": ("np.pi = 3", "np.pi"),
    "a module": ("import sys; sys.modules['numpy.linalg'] = None", "np.linalg.norm([3, 4])"),
    "a class of the library": (
        "import numpy.polynomial as p; p.Polynomial.leak = 1",
        "hasattr(np.polynomial.Polynomial, 'leak')",
    ),
    "a default": (
        "np.vectorize.__init__.__defaults__ = (1,) * 5",
        "len(np.vectorize.__init__.__defaults__)",
    ),
    "the buffer's size": ("np.setbufsize(16 * 4096)", "np.getbufsize()"),
    "an array's writable flag": ("np.array([1]).setflags(write=False)", "np.array([1]).flags[-1]"),
    "a built-in function": ("import builtins; builtins.len = lambda x: 99", "len([])"),
}


@pytest.mark.judge
@pytest.mark.parametrize("name", LEAVERS)
def test_nothing_is_left_for_the_next_row(recycling: Pool, name: str) -> None:
    how, seen = LEAVERS[name]
    head = "import numpy as np\n"
    looks = f"{head}def f():\n    try:\n        return repr({seen})\n    except Exception as e:\n"
    looks += "        return type(e).__name__\n"
    tests = ["assert f() == ''"]
    before = shown(recycling.matrix([looks], tests))
    assert before[0][0][0] == "WRONG", before
    leaves = [
        f"{head}{how}\ndef f():\n    return 1\n",
        f"{head}def f():\n    {how}\n    return 1\n",
    ]
    (left, *_), recycled, _ = counted(recycling, lambda: shown(recycling.matrix(leaves, tests)))
    assert left[0][0] in ("WRONG", "EXCEPTION"), left
    assert recycled > 0
    assert shown(recycling.matrix([looks], tests)) == before


def test_each_interpreter_has_a_keeper_of_its_own() -> None:
    """Rows of both kinds in turn, in one worker: neither throws the other's subject away."""
    with Pool(1, limits=Limits(cpu_s=2)) as pool:
        if not pool.recycles:
            pytest.skip(f"no recycled subjects here: {pool.why_not_recycled}")
        before = pool.statistics()["keepers"]  # asking took one
        plain = "import sys\ndef f(xs):\n    return 'numpy' in sys.modules\n"
        loaded = plain + "import numpy\n"
        for number in range(30):
            solutions = [f"{plain}# {number}", f"{loaded}# {number}"]
            matrix = pool.matrix(solutions, ["assert f([]) == True", "assert f([]) == False"])
            assert rows(matrix.verdict_ST) == [
                [Verdict.WRONG, Verdict.PASS],
                [Verdict.PASS, Verdict.WRONG],
            ]
        told = pool.statistics()
        assert told["keepers"] - before == 2
        assert told["recycled_rows"] > 30
        assert told["infra_rows"] == 0
