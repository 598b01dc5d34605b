"""Programs come out of a reply whole, whatever the reply looks like (`reply_shapes`)."""

from __future__ import annotations

import pytest
from tests.engine.reply_shapes import CONTINUED, SHAPES, split_at_body

from sv_engine.problems.extract import Drop, extract_solution

F = "```"


def value(reply: str, argument: object = 2, prompt: str = "", entry_point: str = "f") -> object:
    """What the extracted program answers."""
    source = extract_solution(reply, prompt=prompt, entry_point=entry_point)
    assert isinstance(source, str), source
    names: dict[str, object] = {"__name__": "solution"}
    exec(source, names)
    return eval(f"{entry_point}(_)", names | {"_": argument})


PROGRAMS = {
    "constant first": "MOD = 10**9 + 7\n\ndef f(n):\n    return pow(2, n, MOD) - 1",
    "comment first": "# Adds one.\nONE = 1\ndef f(n):\n    return n + ONE",
    "docstring first": '"""Adds one."""\n\ndef f(n):\n    return n + 1',
    "tuple of constants": "A, B = 1, 2\nC: int = A + B\ndef f(n):\n    return C",
    "assignment in brackets": "T = [\n    0,\n    1,\n    3,\n]\ndef f(n):\n    return T[n]",
    "class and method": "class S:\n    def go(self, x):\n        return x + 1\nf = S().go",
    "alias": "def g(x):\n    return x + 1\nf = g",
    "alias twice": "def h(x):\n    return x + 1\ng = f = h",
    "lambda": "f = lambda x: x + 1",
    "annotated lambda": "from typing import Callable\nf: Callable[[int], int] = lambda x: x + 1",
    "partial": "from functools import partial\ndef g(a, b):\n    return a + b\nf = partial(g, 1)",
    "decorated by hand": "from functools import cache\ndef f(x):\n    return x + 1\nf = cache(f)",
    "if": "if 1:\n    def f(x):\n        return x + 1\nelse:\n    f = None",
    "try": "try:\n    from no import f\nexcept ImportError:\n    def f(x):\n        return x + 1",
    "else of a loop": "for f in ():\n    pass\nelse:\n    def f(x):\n        return x + 1",
    "with": "import contextlib\nwith contextlib.suppress(KeyError):\n    f = lambda x: x + 1",
    "tuple": "f, g = (lambda x: x + 1), None",
    "loop fills": "t = [1]\nfor i in 0, 1, 2:\n    t.append(i + 2)\ndef f(x):\n    return t[x]",
    "loop after": "t = []\ndef f(x):\n    return t[x]\nfor i in range(9):\n    t.append(i + 1)",
    "loop that also prints": (
        "t = []\nfor i in range(9):\n    t.append(i + 1)\n    print(i)\ndef f(x):\n    return t[x]"
    ),
    "call that fills and prints": (
        "t = {}\ndef fill():\n    t[2] = 3\n    print('filled')\ndef f(x):\n    return t[x]\nfill()"
    ),
    "global": "def up():\n    global n\n    n = 3\n    print(n)\nup()\ndef f(x):\n    return n",
    "heapify": "import heapq\nh = [5, 3]\nheapq.heapify(h)\ndef f(x):\n    return h[0]",
    "heapify after": "import heapq\nh = [5, 3]\ndef f(x):\n    return h[0]\nheapq.heapify(h)",
    "update": "m = {}\nm.update({2: 3})\ndef f(x):\n    return m[x]",
    "item": "m = {}\nm[2] = 3\ndef f(x):\n    return m[x]",
    "deleted": "m = {2: 3, 3: 1}\ndel m[3]\ndef f(x):\n    return sum(m.values())",
    "while": "t = []\nwhile len(t) < 4:\n    t.append(len(t))\ndef f(x):\n    return t[3]",
    "augmented": "n = 1\nn += 2\ndef f(x):\n    return n",
    "recursion": (
        "import sys\nsys.setrecursionlimit(10**6)\n"
        "def f(x, n=3000):\n    return 3 if n == 0 else f(x, n - 1)"
    ),
    "recursion limit after": (
        "import sys\ndef f(x):\n    return 3 if sys.getrecursionlimit() == 5678 else 0\n"
        "sys.setrecursionlimit(5678)"
    ),
    "precision": (
        "from decimal import *\ngetcontext().prec = 50\n"
        "def f(x):\n    return 3 if len(str(Decimal(1) / 3)) > 40 else 0"
    ),
    "attribute of the function": "def f(x):\n    return f.n\nf.n = 3",
    "type alias": "from typing import List\nV = List[int]\ndef f(x: V) -> int:\n    return 3",
    "input renamed": (
        "import sys\ninput = sys.stdin.readline\ndef g():\n    return input()\n"
        "def f(x):\n    return x + 1"
    ),
    "bytes beyond ASCII": "NAMES = 'äöü'; print(NAMES)\ndef f(x):\n    return len(NAMES)",
    "tabs": "def f(x):\n\tif x:\n\t\treturn x + 1\n\treturn 0",
    "helper after": "def f(x):\n    return g(x)\n\n\ndef g(x):\n    return x + 1",
    "string that looks like markup": (
        "def f(x):\n    s = '</think>'.replace('<think>', '')\n    return x + 1"
    ),
    "fence in a docstring": (
        f'def f(x):\n    """Add.\n\n    {F}python\n    f(1)\n    {F}\n    """\n    return x + 1'
    ),
    "fence at the margin of a docstring": (
        f'def f(x):\n    """\n{F}\nf(1)\n{F}\n"""\n    return x + 1'
    ),
    "examples in a docstring": 'def f(x):\n    """\n    >>> f(1)\n    2\n    """\n    return x + 1',
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_keeps_its_meaning(name: str) -> None:
    for shape in ("fence", "prose around", "usage", "main function", "opened by the prompt"):
        assert value(SHAPES[shape](PROGRAMS[name], "f")) == 3, shape
    if "examples" not in name:
        assert value(f"{PROGRAMS[name]}\n") == 3


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["constant first", "class and method", "if", "loop after", "tabs"])
def test_a_program_is_found_in_every_shape(shape: str, name: str) -> None:
    assert value(SHAPES[shape](PROGRAMS[name], "f")) == 3


BODIES = {
    "line": "def f(x):\n    return x + 1\n",
    "several": "def f(x):\n    y = x\n    for _ in range(1):\n        y += 1\n    return y\n",
    "block first": "def f(x):\n    if x:\n        return x + 1\n    return 0\n",
    "tab": "def f(x):\n\ty = x + 1\n\treturn y\n",
    "helper after": "def f(x):\n    return g(x)\n\n\ndef g(x):\n    return x + 1\n",
}


@pytest.mark.parametrize("shape", CONTINUED)
@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("docstring", ["", '    """Add one."""\n'])
def test_a_body_alone_goes_on_with_the_prompt(shape: str, name: str, docstring: str) -> None:
    split = split_at_body(BODIES[name], "f")
    assert split is not None
    if docstring and name == "tab":
        docstring = docstring.replace("    ", "\t")
    assert value(CONTINUED[shape](split[1]), prompt=split[0] + docstring) == 3


def test_a_body_of_a_method() -> None:
    prompt = "class Solution:\n    def inc(self, x: int) -> int:\n        "
    for reply in (
        "return x + 1",
        f"{F}python\n        return x + 1\n{F}",
        f"{F}\nreturn x + 1\n{F}",
    ):
        assert value(reply, prompt=prompt, entry_point="Solution().inc") == 3
    method = f"{F}python\ndef inc(self, x):\n    return x + 1\n{F}"
    assert value(method, prompt=prompt, entry_point="Solution().inc") == 3
    whole = f"{F}python\nclass Solution:\n    def inc(self, x):\n        return x + 1\n{F}"
    assert value(whole, prompt=prompt, entry_point="Solution().inc") == 3
    other = f"{F}python\nclass Solution:\n    def dec(self, x):\n        return x + 1\n{F}"
    found = extract_solution(other, prompt="", entry_point="Solution().inc")
    assert isinstance(found, Drop)


@pytest.mark.parametrize(
    "thought",
    [
        "<think>\nstill thinking",
        "<think>\n```python\ndef f(x):\n    return 0\n```\nbut",
        "<thinking>def f(x): return 0",
        "[THINK]\ndef f(x):\n    return 0\n",
        "<|channel|>analysis<|message|>\ndef f(x):\n    return 0\n",
    ],
)
def test_a_thought_without_answer_is_none(thought: str) -> None:
    assert extract_solution(thought, prompt="", entry_point="f") is Drop.ONLY_THOUGHT


@pytest.mark.parametrize(
    "shown",
    [
        "print(f(2))",
        "result = f(2)\nprint(result)",
        "for i in range(3):\n    print(f(i))",
        "while True:\n    f(int(input()))",
        "def main():\n    print(f(int(input())))\n\nmain()",
        "def main():\n    f(3)\n\n\nif __name__ == '__main__':\n    main()",
        "try:\n    print(f(input()))\nexcept EOFError:\n    pass",
        "import sys\nn = int(sys.stdin.readline())\nsys.stdout.write(str(f(n)))",
        "with open('in.txt') as file:\n    print(f(file.read()))",
        "assert f(2) == 17",
        "def test_f():\n    assert f(2) == 17\n\ntest_f()\nprint('All tests passed')",
        "import doctest\ndoctest.testmod()",
        "import sys\nsys.exit(f(2))",
        "raise SystemExit(f(2))",
        "xs = [2]\nprint(*map(f, xs), sep=', ')",
        "f(2)",
        "done",
    ],
)
def test_what_only_shows_the_program_at_work_goes(shown: str) -> None:
    program = "def f(x):\n    y = print\n    return x + 1\n"
    for reply in (f"{program}\n{shown}\n", f"{F}python\n{program}\n# Example:\n{shown}\n{F}"):
        found = extract_solution(reply, prompt="", entry_point="f")
        assert isinstance(found, str)
        assert value(reply) == 3
        last = shown.split("\n")[-1]
        assert f"\n{last}\n" not in found


def test_helpers_of_the_prompt_come_along_where_they_are_needed() -> None:
    prompt = (
        "import math\nfrom typing import List\n\nK = 2\n\n\ndef up(x):\n    return x + 1\n\n\n"
        'def f(x: int) -> int:\n    """Use up."""\n'
    )
    program = "def f(x: int) -> int:\n    return up(x)\n"
    found = extract_solution(f"{F}python\n{program}{F}", prompt=prompt, entry_point="f")
    assert found == f"def up(x):\n    return x + 1\n\n\n{program}"
    alone = "def f(x: int) -> int:\n    return x + 1\n"
    assert extract_solution(f"{F}python\n{alone}{F}", prompt=prompt, entry_point="f") == alone
    assert value(f"{F}python\ndef f(x):\n    return math.floor(x) + K - 1\n{F}", 2, prompt) == 3


def test_a_function_in_two_blocks_is_one() -> None:
    first, second = "def f(x):\n    y = x\n", "    y += 1\n    return y\n"
    assert value(f"{F}python\n{first}{F}\nand then\n{F}python\n{second}{F}\n") == 3


def test_the_last_version_counts() -> None:
    first, last = ("def f(x):\n    return 0", "def f(x):\n    return x + 1")
    for between in ("Better:", "Wait, this is wrong.\n\n## Final", ""):
        assert value(f"{F}python\n{first}\n{F}\n{between}\n{F}python\n{last}\n{F}") == 3
    assert value(f"{F}python\n{last}\n{F}\nThen\n{F}python\ndef f(x): ...\n{F}") == 3
    assert value(f"{F}python\n{last}\n{F}\nThen\n{F}python\ndef f(x):\n    return (") == 3
    assert value(f"{F}js\nfunction f() {{}}\n{F}\n{F}python\n{last}\n{F}\n{F}js\nf = 3\n{F}") == 3
