"""Programs and tests out of completions of every shape, and text that no parser should meet."""

from __future__ import annotations

import pytest

from sv_engine.problems.extract import (
    MAX_SOURCE_CHARS,
    Drop,
    Style,
    check_text,
    compiles,
    cut,
    extract_solution,
    extract_tests,
    parse,
)

PROMPT = 'from typing import List\n\n\ndef f(xs: List[int]) -> int:\n    """Add up."""\n'


def solution(completion: str, prompt: str = "Add up.", style: Style = Style.AUTO) -> str | Drop:
    return extract_solution(completion, prompt=prompt, entry_point="f", style=style)


def asserts_of(completion: str, style: Style = Style.AUTO, limit: int | None = None) -> list[str]:
    return extract_tests(completion, entry_point="f", style=style, limit=limit)[0]


# ---- solutions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("stop", ["class A:", "def g():", "# next", "if __name__:", "print(1)"])
def test_a_continuation_ends_where_the_function_ends(stop: str) -> None:
    body = "    # sum\n    if xs:\n        print(xs)\n    return sum(xs)\n"
    assert cut(f"{body}{stop}\n    more") + "\n" == body
    assert solution(f"{body}{stop}", PROMPT) == PROMPT + body.rstrip("\n")


@pytest.mark.parametrize(
    ("completion", "kept"),
    [
        ("    return sum(xs)\n```\nDone.", "    return sum(xs)\n"),
        ("return sum(xs)", "    return sum(xs)\n"),
        ("return sum(", "return sum("),
        ("", ""),
    ],
)
def test_auto_takes_a_body_after_a_signature_for_a_continuation(completion: str, kept: str) -> None:
    assert solution(completion, PROMPT) == PROMPT + kept


@pytest.mark.parametrize(
    "completion",
    [
        "def f(xs):\n    return sum(xs)\n",
        "Sure! Here it is:\n\n```python\ndef f(xs):\n    return sum(xs)\n```\nHope it helps.",
        "~~~\ndef f(xs):\n    return sum(xs)\n~~~",
        "```python\ndef f(xs):\n    return sum(xs)\n",  # truncated before the fence
        "1. Like this:\n   ```py\ndef f(xs):\n    return sum(xs)\n   ```",
        "Here it is:\n\ndef f(xs):\n    return sum(xs)\n\nThis works, as you can see!",
        "def f(xs):\r\n    return sum(xs)\r\n",
        "def f(xs):\n    return sum(xs)\n\nassert f([]) == 0\nprint(f([1]))\nf(input())\n",
        'def f(xs):\n    return sum(xs)\n\nif __name__ == "__main__":\n    f(map(int, input()))\n',
        "def f(xs):\n    return sum(xs)\n\n\ndef g(x):\n    return x +",  # truncated
        "def f(xs):\n    return sum(xs)\n\n\n@cache\ndef g(x):\n    return '''",
        "```python\nprint('no')\n```\nor rather\n```python\ndef f(xs):\n    return sum(xs)\n```",
    ],
)
def test_a_program_is_found_whatever_is_around_it(completion: str) -> None:
    assert solution(completion) == "def f(xs):\n    return sum(xs)\n"


def test_a_program_keeps_what_it_needs() -> None:
    completion = (
        "import math\nfrom os import path as p\nLIMIT: int = 3\nTABLE = {}\nTABLE[1] = LIMIT\n"
        "unused = input()\n\n\nclass A:\n    pass\n\n\nasync def g():\n    pass\n\n\n"
        "def f(xs):\n    # why\n    return TABLE[1]\n\n\nf(3); x = 1\n"
    )
    found = solution(completion)
    assert isinstance(found, str)
    for line in ("import math", "from os import path as p", "LIMIT: int = 3", "TABLE[1] = LIMIT"):
        assert line in found
    assert "class A:" in found
    assert "async def g" in found
    assert "# why" in found
    assert "input" not in found
    assert "f(3)" not in found


def test_several_blocks_make_one_program() -> None:
    f, g = "def f(x):\n    return g(x)\n", "def g(x):\n    return x\n"
    assert solution(f"First\n```python\n{g}```\nthen\n```python\n{f}```\n") == f"{g}\n{f}"
    assert solution(f"```bash\npip install g\n```\n```python\n{f}```\n") == f
    assert solution(f"```python\n{f}```\n```text\nf(3) is\n  three\n```") == f


def test_imports_of_a_prompt_that_is_code_go_before_the_program() -> None:
    program = "def f(xs: List[int]) -> int:\n    return sum(xs)\n"
    expected = f"from typing import List\n\n\n{program}"
    assert solution(f"```python\n{program}```", PROMPT) == expected
    future = "from __future__ import annotations\n\n\ndef f(xs):\n    return 1\n"
    assert solution(f"```python\n{future}```", PROMPT) == future


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        ("", Drop.EMPTY),
        (" \n\t", Drop.EMPTY),
        ("I cannot do that.", Drop.NO_ENTRY_POINT),
        ("def g():\n    pass\n", Drop.NO_ENTRY_POINT),
        ("def f(xs):\n    return sum(", Drop.DOES_NOT_COMPILE),
        ("```python\nimport x\n\ndef f(xs):\n    return '''\n```", Drop.DOES_NOT_COMPILE),
    ],
)
def test_a_completion_without_program_says_why(completion: str, reason: Drop) -> None:
    assert solution(completion) is reason


# ---- tests --------------------------------------------------------------------------------------


def test_a_test_continuation_is_split_cut_and_limited() -> None:
    completion = (
        "f(1) == 1\nassert f(2) == 2\n    assert g(3) == 3\nassert f(4) == 4\n# done\n"
        "assert f(5) == 5\n\ndef other():\n    assert f(6) ==\nassert f(7"
    )
    expected = ["assert f(1) == 1", "assert f(2) == 2", "assert f(4) == 4", "assert f(5) == 5"]
    assert asserts_of(completion, Style.CONTINUATION) == expected
    assert asserts_of(completion, Style.CONTINUATION, limit=2) == expected[:2]
    assert asserts_of(completion) == expected  # AUTO knows a continuation by its first line


@pytest.mark.parametrize(
    "completion",
    [
        "assert f(1) == 2\nassert f(2) == 3\n",
        "Tests:\n```python\nassert f(1) == 2\nassert f(2) == 3\n```",
        "```python\nassert f(1) == 2\n```\nand\n```python\nassert f(2) == 3\n```",
        "def test_f():\n    assert f(1) == 2\n    assert f(2) == 3\n\ntest_f()\n",
        "import unittest\n\nclass T(unittest.TestCase):\n    def test(self):\n"
        "        assert f(1) == 2\n        x = 4\n        assert f(2) == 3\n",
        "def test_a():\n    assert f(1) == 2\n\ndef test_b():\n    assert f(2) == 3\n\ndef test_c(",
    ],
)
def test_asserts_are_found_in_programs(completion: str) -> None:
    assert asserts_of(completion) == ["assert f(1) == 2", "assert f(2) == 3"]


def test_an_assert_takes_what_it_needs_along() -> None:
    completion = (
        "from math import pi\nimport math\n\nassert f(pi) == math.pi\n"
        "assert all(f(y) == y for y in range(3))\n"
        "assert sorted([2, 1], key=lambda k: f(k)) == [1, 2]\nx = 3\nassert x == 3\n"
        "assert f(x) == 3\nassert f(unknown) == 3\n"
    )
    tests, dropped = extract_tests(completion, entry_point="f")
    assert tests == [
        "from math import pi\nimport math\nassert f(pi) == math.pi",
        "assert all(f(y) == y for y in range(3))",
        "assert sorted([2, 1], key=lambda k: f(k)) == [1, 2]",
        "x = 3\nassert f(x) == 3",
    ]
    assert dropped == {Drop.NEEDS_CONTEXT: 1}


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        ("", Drop.EMPTY),
        ("assert g(1) == 1", Drop.NO_ASSERT),
        ("f(1) == (", Drop.DOES_NOT_COMPILE),
        ("\0", Drop.NUL),
    ],
)
def test_a_completion_without_test_says_why(completion: str, reason: Drop) -> None:
    assert extract_tests(completion, entry_point="f") == ([], {reason: 1})


# ---- hostile text -------------------------------------------------------------------------------

HOSTILE = {
    "parentheses": "(" * MAX_SOURCE_CHARS,
    "brackets": "[" * 190,
    "minus": "-" * (MAX_SOURCE_CHARS - 1) + "1",
    "not": "not " * 10_000 + "1",
    "lambda": "lambda:" * 9_000 + "1",
    "sum": "1" + "+1" * 30_000,
    "attributes": "a" + ".a" * 30_000,
    "subscripts": "a" + "[0]" * 20_000,
    "conditional": "x=" + "1 if 1 else " * 5_000 + "1",
    "elif": "if 1: pass\n" + "elif 1: pass\n" * 5_000,
    "indentation": "".join(" " * i + "if 1:\n" for i in range(350)),
    "f-string": "f'" + "{x}" * 20_000 + "'",
    "decorators": "@a\n" * 20_000 + "def f(): pass",
    "digits": "1" * MAX_SOURCE_CHARS,
    "folding": "((((((1,)*16,)*16,)*16,)*16,)*16,)*16; 9**9**9; 'a'*10**12; 1<<10**9",
    "quotes": "'''" * 20_000 + "x",
    "encoding": "# -*- coding: nonsense -*-\nx = 1",
    "warning": "1 is 1; '\\d'; assert (1, 2)",
    "backslashes": "\\\n" * 30_000,
    "form feed": "\f" * 60_000 + "x",
    "fences": "```\n" * 16_000,
    "fence and spaces": "```" + " " * 60_000 + "`",
    "fences and quotes": '```\n"""\n' * 8_000,
    "thoughts": "<think>" * 9_000,
    "quoted thoughts": "'<think>" * 8_000 + "'",
    "tags": "<code >" * 9_000,
    "spaces": " \t" * 30_000 + "x",
    "annotations": "a[" + "]:" * 30_000,
    "prompts": ">>> x\n" * 10_000,
    "assert": "assert f(\n" * 6_000,
    "setup": "x = f\n" * 3_000 + "assert x\n" * 3_000,
    "JSON": "[" * 60_000,
    "pairs": "[" + "[1, 2]," * 8_000 + "[1, 2]]",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_never_gets_past_the_parser(name: str) -> None:
    text = HOSTILE[name]
    assert len(text) <= MAX_SOURCE_CHARS
    compiles(text)
    parse(text)
    for style in Style:
        solution(text, style=style)
        solution(f"def f(x):\n    return x\n\n{text}"[:MAX_SOURCE_CHARS], style=style)
        asserts_of(text, style)
        asserts_of(f"assert f(1)\n{text}"[:MAX_SOURCE_CHARS], style)


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (None, Drop.NOT_TEXT),
        (3, Drop.NOT_TEXT),
        ("x" * (MAX_SOURCE_CHARS + 1), Drop.TOO_LARGE),
        ("x = '\0'", Drop.NUL),
        ("x = '\udc80'", Drop.SURROGATE),
        ("x = '\U0001f600'", None),
    ],
)
def test_check_text(sample: object, reason: Drop | None) -> None:
    assert check_text(sample) is reason


def test_compile_does_not_inherit_our_future_imports() -> None:
    assert compiles("from __future__ import annotations\nx: int = 1")
    assert not compiles("return 1")
    assert not compiles("x = 1 +")
