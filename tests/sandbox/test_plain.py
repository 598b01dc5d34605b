"""What is plain at sight (`native/sight.c`) is plain, and tidy.

In: the solutions of the corpus and of `../shared/data`, where that is there, and small ones beside
each rule. Out: for each, what the steps of C say beside those of Python's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

from sv_sandbox.jailed import bytecode, plain, tidy

CORPUS = Path(__file__).parent / "redteam"
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

AT_SIGHT = {
    "nothing": "def f(x): return x",
    "a harmless module": "from typing import List\nimport math\ndef f(x): return math.floor(x)",
    "loops and tables": "def f(x):\n    return sorted({k: v for k, v in x.items()}, key=len)",
    "a method": "def f(x): return x.upper().split(',')",
    "an error": "def f(x):\n    try: return x[0]\n    except IndexError: raise ValueError('none')",
}
NOT_AT_SIGHT = {
    "another module": "import random\ndef f(x): return random.random()",
    "a module of a package": "import collections.abc\ndef f(x): return x",
    "a private name": "def f(x): return x._y",
    "a special name": "def f(x): return x.__class__",
    "a special name in a text": "def f(x): return getattr(x, '__class__')",
    "a frame": "def f(x): return x.gi_frame",
    "an attribute that is set": "def f(x): x.y = 1",
    "a global name": "def f(x):\n    global y\n    y = x",
    "identity": "def f(x): return x is y",
    "a template": "def f(x, t): return t.format(x)",
    "a method as a value": "def f(x): return x.append",
    "what a pattern reads": "def f(x):\n    match x:\n        case int(real=1): pass",
    "a name in a tuple": "def f(x): return x, ('os', 'path')",
    "inside a function in a function": "def f(x):\n    def g(): return globals()\n    return g()",
    "a class that is registered": "from typing import Sized\ndef f(x): Sized.register(x)",
    "an overload": "import typing\ndef f(x): return typing.overload(f)",
    "a list of the library's": "from typing import EXCLUDED_ATTRIBUTES as e\ndef f(x): e[0:0] = x",
    "another alphabet": "def f(x): return x.änderung",
}


def solutions() -> Iterator[str]:
    """Of the corpus and of the benchmarks."""
    for path in sorted(CORPUS.glob("*.txt")):
        for case in re.split(r"(?m)^=== .*\n", path.read_text())[1:]:
            yield case.partition("--- test\n")[0]
    for name in ("cruxeval", "mbpp"):
        if (DATA / f"{name}.jsonl").exists():
            rows = (DATA / f"{name}.jsonl").read_text().splitlines()
            yield from (json.loads(row)["code"] for row in rows)


def compiled(text: str) -> CodeType | None:
    try:
        return compile(text, "<solution>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return None


def is_plain(code: CodeType) -> bool:
    names, used = bytecode.names_of(code), bytecode.opcodes_of(code)
    return not plain.tells_identity(code) and plain.is_plain(code, names, used)


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_at_sight_is_plain() -> None:
    codes = [code for code in map(compiled, solutions()) if code is not None]
    seen = [code for code in codes if plain.is_plain_at_sight(code)]
    assert len(codes) > 1_500
    assert len(seen) > len(codes) / 4  # most of the corpus is strange on purpose
    assert not [code for code in seen if not is_plain(code)]
    assert not [code for code in seen if tidy.tidiness(code) == tidy.UNTIDY]


@pytest.mark.parametrize("name", AT_SIGHT)
def test_so_it_is_with_most(name: str) -> None:
    code = compiled(AT_SIGHT[name])
    assert code is not None
    assert plain.is_plain_at_sight(code)


@pytest.mark.parametrize("name", NOT_AT_SIGHT)
@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_it_is_looked_at_closely(name: str) -> None:
    code = compiled(NOT_AT_SIGHT[name])
    assert code is not None
    assert not plain.is_plain_at_sight(code)


def test_what_it_is_given() -> None:
    with pytest.raises(TypeError, match="at_sight"):
        tidy.at_sight(compile("1", "", "eval"), b"", frozenset())
