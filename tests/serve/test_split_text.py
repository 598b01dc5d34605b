"""Where a text that holds a program and its test is cut."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sv_engine.serve.split_text import Swallowed, Unreadable, cut, places
from sv_engine.serve.statements import imports, is_plain

PROGRAM = "def f(x):\n    return x + 1\n"


def cuts(text: str, has_input: bool = False) -> list[tuple[str, str]]:
    return [cut(text, place) for place in places(text, has_input)]


TESTS = [
    "assert f(1) == 2",
    "assert f(1) == 2\nassert f(2) == 3",
    "assert f(1) == 2, 'message'",
    "assert (f(1)\n    == 2)",
    "assert f(1) == 2; assert f(2) == 3",
    "assert f('é') == 'ü'; assert f('漢') == 2",
    "x = [1]\nf(x)\nassert x == [2]",
    "import math\nassert math.isclose(f(1), 2)",
    "for x in range(3):\n    assert f(x) == x + 1",
    "try:\n    f(None)\n    assert False\nexcept TypeError:\n    pass",
    "with open_(f) as g:\n    assert g == 2",
    "def check(candidate):\n    assert candidate(1) == 2\n\ncheck(f)",
    "def test_one():\n    assert f(1) == 2\n\ndef main():\n    test_one()\n\nmain()",
    "s = Solution()\nassert s.f(1) == 2",
    "s = Solution()\n\ns.push(1)\n\nassert s.pop() == 1\nassert not s",
    "if f(1) != 2:\n    raise AssertionError('no')",
    "import unittest\nclass T(unittest.TestCase):\n    pass\n\nunittest.main()",
    "from unittest import *\nclass T(TestCase):\n    pass\n\nprint(1)\nTextTestRunner().run(T())",
    "from unittest import main\nclass T(U.TestCase):\n    pass\n\nif True:\n    main()",
    "import io, sys\nsys.stdout = out = io.StringIO()\nf(1)\nassert out.getvalue() == '2'",
]


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("between", ["", "\n", "\n\n", "\n# a remark\n\n"])
@pytest.mark.parametrize("after", ["", "\n", "  # comment", "\nprint(f(3))", "\n\ndef g(): pass\n"])
def test_the_whole_test_is_one(test: str, between: str, after: str) -> None:
    assert cuts(PROGRAM + between + test + after)[0] == (PROGRAM + between, test)


@pytest.mark.parametrize(
    ("line", "taken"),
    [
        ("from collections import Counter", True),
        ("from math import pi\nfrom collections import deque, Counter", True),
        ("from collections import abc as Counter", False),
        ("from collections import OrderedDict as Counter, Counter", False),
        ("from collections import *", False),
        ("from unittest.mock import Counter", False),
        ("from mine import Counter", False),
        ("from .collections import Counter", False),
        ("from collections import Counter\nCounter = 3", False),
        ("from collections import Counter\nclass Counter: pass", False),
        ("def g():\n    from collections import Counter", False),
        ("from collections import Counter\ndef g():\n    global Counter\n    Counter = 1", False),
    ],
)
def test_a_test_has_names_of_the_library_from_there(line: str, taken: bool) -> None:
    test = "assert f('a') == Counter('a')\nassert f(2) == 3"
    begun = "from collections import Counter\n" if taken else ""
    assert cuts(f"{line}\n{PROGRAM}{test}")[0] == (f"{line}\n{PROGRAM}", begun + test)


def test_a_test_that_asks_whether_it_is_run_is() -> None:
    test = "if __name__ == '__main__':\n    assert f(1) == 2"
    assert cuts(PROGRAM + test) == [(PROGRAM, '__name__ = "__main__"\n' + test)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "print(1)\n",
        PROGRAM,
        PROGRAM + "\n\nprint(f(int(input())))",
        "def f(:",
        "x = 1\0",
        "def f(x):\n    assert x > 0\n    return x\n\nprint(f(1))\n",
        "class T:\n    def t(self):\n        assert True\n",
        "def main():\n    n = int(input())\n    assert n > 0\n    print(n)\n\nmain()",
        "import sys\nfor line in sys.stdin:\n    assert line\n    print(line)",
    ],
)
def test_a_program_without_a_test_has_no_cut(text: str) -> None:
    assert cuts(text) == []


@pytest.mark.parametrize(
    ("after", "is_program"),
    [
        ("print(f(n))", True),
        ("for _ in range(n):\n    print(f(int(input())))", True),
        ("import sys\nsys.stdout.write(str(n))", True),
        ("print('ok')", False),
        ("done = True", False),
        ("", False),
    ],
)
def test_what_prints_from_its_input_is_a_program(after: str, is_program: bool) -> None:
    text = f"{PROGRAM}n = int(input())\nassert n > 0\n{after}"
    assert bool(cuts(text, has_input=True)) != is_program
    assert cuts(text)


@pytest.mark.parametrize("quote", ['"""', "'''", 'f"""', 'b"""', "rb'''"])
def test_assertions_inside_a_string_are_not_taken_for_reached(quote: str) -> None:
    mark = quote[-3:]
    with pytest.raises(Swallowed):
        cuts(f"x = {quote}\n\nassert f(1) == 2{mark}")


@pytest.mark.parametrize(
    "own", ["def g(): \\", "if 0: \\", "while 0: \\\r", "for _ in (): \\", "class C: pass; \\"]
)
def test_assertions_inside_a_line_are_not_taken_for_reached(own: str) -> None:
    with pytest.raises(Swallowed):
        cuts(f"{PROGRAM}{own}\nassert f(1) == 2")


def test_a_docstring_that_shows_an_assertion_is_a_docstring() -> None:
    text = f'"""Write f.\nassert f(1) == 2\n"""\n{PROGRAM}\n\nassert f(3) == 4'
    assert [test for _, test in cuts(text)] == ["assert f(3) == 4"]


@pytest.mark.parametrize(
    "own",
    [
        "f = E()",
        "f = lambda *a: E()",
        "assert globals().update(f=1) is None",
        "assert (f := E())",
        "assert setattr(f, 'x', 1) is None",
        "assert f.__class__.f(3)",
        "assert [vars] [0]()",
        "if True:\n    f = vars()['E']",
        "import os as f",
        "from unittest.mock import ANY as f",
        "from collections import Counter\nc = Counter\nc.most_common = 3",
        "import math\nmath.pi = 4",
        "x = (i for i in f).gi_frame",
        "def check(x):\n    assert x\n\ncheck(3)",
        "import unittest\nclass T(unittest.TestCase):\n    pass\n\nunittest.main()",
        "with f as g:\n    assert [exec][0]('f = 2') is None",
        "type('E', (), {})",
        "print.__self__.f = 3",
    ],
)
@pytest.mark.parametrize("between", ["\n", "\n\n"])
@pytest.mark.parametrize(
    "test", ["assert f(1) == 2", "x = 1\nassert f(x) == 2\nprint('ok')", TESTS[11]]
)
def test_what_a_program_brings_along_is_not_the_test(own: str, between: str, test: str) -> None:
    """The caller's test is one of those that have to pass; at most with what can do no harm."""
    text = f"class E: pass\n{PROGRAM}\n{own}{between}{test}"
    wanted = test.removesuffix("\nprint('ok')")
    found = [test for _, test in cuts(text)]
    harmless = {"", "f = E()", "f = lambda *a: E()", "c.most_common = 3", "check(3)"}
    assert {test.removesuffix(wanted).strip() for test in found} & harmless, found


@pytest.mark.parametrize(
    ("text", "is_variable"),
    [
        ("input = 3\nassert f(input) == 4", True),
        ("for input in (1, 2):\n    assert f(input)", True),
        ("import sys\ninput = sys.stdin.readline\nassert f(input()) == 4", False),
        ("input = open(0).readline\nassert f(input()) == 4", False),
        ("n = input()\nassert f(n) == 4", False),
    ],
)
def test_a_variable_may_be_called_input(text: str, is_variable: bool) -> None:
    _, test = cuts(f"{PROGRAM}\n\n{text}")[0]
    assert (test == text) == is_variable


def test_an_assertion_that_does_something_is_left_out_of_the_program() -> None:
    text = f"{PROGRAM}assert globals().update(f=1) is None\nassert f(1) == 2"
    assert cuts(text)[-1] == (f"{PROGRAM}pass\n", "assert f(1) == 2")


@pytest.mark.parametrize(
    "above", ["@(lambda c: print)", "@staticmethod", "@lie\n# a remark", "@a\n@b", "@a.b(3)"]
)
def test_a_line_above_a_check_may_be_the_programs(above: str) -> None:
    test = "def check(candidate):\n    assert candidate(1) == 2\n\ncheck(f)"
    found = cuts(f"{PROGRAM}{above}\n{test}")
    assert [test for _, test in found] == ["check(f)"]
    with pytest.raises(Swallowed):
        cuts(f"{PROGRAM}{above}\n\n\n{test}")


@pytest.mark.parametrize("above", ["@a", "@a.b(3)", "@a(\n\n    3,\n)", "@a\n# a remark\n@b"])
def test_a_decorator_of_the_programs_own_swallows_nothing(above: str) -> None:
    program = f"{above}\ndef f(x):\n\n    return x + 1\n\n\n"
    assert cuts(f"{program}assert f(1) == 2") == [(program, "assert f(1) == 2")]


@pytest.mark.parametrize(
    ("text", "cut_before"),
    [
        ("def f(x):\n    return C[x]\n\nC = {1: 2}\n\n\nassert f(1) == 2", "assert"),
        ("def f(x):\n    return C[x]\n\nC = {}\nC[1] = 2\n\n\nassert f(1) == 2", "assert"),
        ("def f(x):\n    return g(x)\n\ng = abs\n\nassert f(1) == 1", "assert"),
        ("def f():\n    return x\n\nx = 2\nassert f() == x", "x = 2"),
        ("def f(x):\n    y = x\n    return y\n\ny = 2\n\nassert f(2) == y", "y = 2"),
    ],
)
def test_what_functions_need_belongs_to_them(text: str, cut_before: str) -> None:
    assert cuts(text)[0][1].startswith(cut_before)


IMPORTED = {
    "math": "math",
    "np": "numpy",
    "sys": "sys",
    "io": "io",
    "decimal": "decimal",
    "unittest": "unittest",
    "Counter": "collections.Counter",
    "attrgetter": "operator.attrgetter",
    "update_wrapper": "functools.update_wrapper",
    "SimpleNamespace": "types.SimpleNamespace",
    "redirect_stdout": "contextlib.redirect_stdout",
}


@pytest.mark.parametrize(
    "statement",
    [
        "assert f(1) == 2",
        "with redirect_stdout(io.StringIO()) as out:\n    f()",
        "sys.stdout = buffer = io.StringIO()",
        "assert sys.stdout.getvalue() == 'x'",
        "x, (y, *z) = f(1), [2, *f(3)]",
        "assert math.isclose(f(1), math.pi)",
        "assert Counter(f(1)) == Counter('a') and s.pop() is None",
        "for a, b in zip(f(1), range(3)):\n    assert a < b, f'{a} {b:>3}'",
        "try:\n    f(-1)\n    assert False\nexcept (ValueError, KeyError) as e:\n    assert str(e)",
        "assert sorted(f(1), key=lambda p: -p[0]) == [q for q in x if q]",
        "assert type(f(1)) == int and isinstance(s.x, S)",
        "a.next = b",
        "import math, re",
        "from collections import deque, Counter",
        "assert len(np.array([1]).shape) == 1",
    ],
)
def test_what_is_plain(statement: str) -> None:
    (parsed,) = ast.parse(statement).body
    assert is_plain(parsed, IMPORTED | dict(imports(parsed)))


@pytest.mark.parametrize(
    "statement",
    [
        "c = Counter",
        "assert f(Counter)",
        "x = math",
        "np.set_numeric_ops(equal=f)",
        "math.sqrt = f",
        "unittest.main()",
        "E = type('E', (), {})",
        "f = attrgetter('__class__')",
        "update_wrapper(f, g, assigned=['__eq__'])",
        "SimpleNamespace(**{'__eq__': 3})",
        "from operator import attrgetter",
        "from math import sqrt as f",
        "from math import *",
        "sys.modules",
        "def g(): pass",
        "assert (f := 3)",
        "x = g.gi_frame",
        "getattr(f, 'x')",
        "len = lambda x: 2",
        "for sum in x:\n    pass",
        "with redirect_stdout(x) as print:\n    pass",
        "x = [any for any in y]",
        "c = type(f(1))",
        "type(f(1)).x = lambda y: 2",
        "f(1).x = 2",
        "decimal.getcontext().prec = 1",
        "np.setbufsize(3)",
        "open('x', 'w')",
        "del f",
        "global f",
    ],
)
def test_what_is_not_plain(statement: str) -> None:
    (parsed,) = ast.parse(statement).body
    assert not is_plain(parsed, IMPORTED | dict(imports(parsed)))


@given(st.text(alphabet="ab=()[]'\"\n\r\f\x0b\u2028#;: éassert", max_size=60))
def test_a_cut_loses_nothing_but_what_follows(text: str) -> None:
    try:
        found = cuts(text)
    except (Swallowed, Unreadable):
        return
    for solution, test in found:
        assert text.startswith(solution + test)


@pytest.mark.parametrize(("statements", "is_too_many"), [(50, False), (99, False), (101, True)])
def test_a_text_with_very_many_places_is_nobodys(statements: int, is_too_many: bool) -> None:
    text = PROGRAM + "\nimport os" * statements + "\nassert f(1) == 2"
    if is_too_many:
        with pytest.raises(Swallowed):
            places(text)
    else:
        assert len(places(text)) == statements + 1
