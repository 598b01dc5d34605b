"""Tests that a model gave as data: examples of a doctest, and lists of JSON pairs.

In: the text of a block. Out: asserts on the entry point, `[]` where the text is neither.

A doctest example is compared by value where its output is a literal, by what is printed where it
prints, else by `repr`. A pair is an object with an input (`input`, `inputs`, `args`, ...) and an
output (`output`, `expected`, ...), or a list of two. `inputs` and `args` in the plural are the
arguments; an `input` is one argument, unless it is a mapping of names or source text such as
`nums = [1], k = 2`.
"""

from __future__ import annotations

import ast
import doctest
import json
import re
from typing import Any

from sv_engine.problems.python_text import Drop, compiles, owner_of, parse

MAX_CASES = 200
"""How many examples or pairs of one block are read."""

_ONE = ("input", "in", "argument", "arg", "x", "given")
_MANY = ("inputs", "args", "arguments", "params", "parameters")
_OUTPUT = ("output", "expected", "expected_output", "out", "result", "return", "answer", "want")
_LISTS = ("tests", "test_cases", "testcases", "cases", "examples", "data")


def doctests(text: str, entry_point: str) -> list[str | Drop]:
    """One test for each example with an output; statements before it come along."""
    if ">>>" not in text:
        return []
    try:
        examples = doctest.DocTestParser().get_examples(text)
    except ValueError:  # wrong indentation
        return []
    setup: list[str] = []
    tests: list[str | Drop] = []
    owner = owner_of(entry_point)
    for example in examples[:MAX_CASES]:
        source, want = example.source.strip("\n"), example.want.strip()
        tree = parse(source)
        if tree is None or not tree.body:
            continue
        node = tree.body[-1]
        if isinstance(node, ast.Import | ast.ImportFrom) and owner in ast.unparse(node):
            continue
        if not want and not isinstance(node, ast.Assert):
            setup.append(source)
            continue
        if owner not in source and not any(owner in line for line in setup):
            continue
        check = _check(node, source, want, example.exc_msg) if want else source
        if len(tree.body) == 1 and check:
            tests.append("\n".join([*setup, check]))
    return tests


def _check(node: ast.stmt, source: str, want: str, error: str | None) -> str | None:
    if error is not None:
        name = error.split(":")[0].split(".")[-1].strip()
        if not name.isidentifier():
            return None
        body = "\n".join("    " + line for line in source.split("\n"))
        return (
            f"try:\n{body}\nexcept {name}:\n    pass\nelse:\n    raise AssertionError('no {name}')"
        )
    if not isinstance(node, ast.Expr):
        return None
    match node.value:
        case ast.Call(func=ast.Name(id="print"), args=[value], keywords=[]):
            return f"assert str({ast.unparse(value)}) == {want!r}"
    if _is_literal(want):
        return f"assert ({source}) == {want}" if "\n" in source else f"assert {source} == {want}"
    return f"assert repr({source}) == {want!r}"


def _is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return False
    return True


def json_pairs(text: str, entry_point: str) -> list[str | Drop]:
    """One test for each pair of the list (or of the lines) that `text` is."""
    stripped = text.strip()
    if stripped[:1] not in ("[", "{"):
        return []
    data = _loaded(stripped)
    if isinstance(data, dict):
        if _pair(data) is None:
            data = next((data[key] for key in _LISTS if isinstance(data.get(key), list)), None)
        else:
            data = [data]
    if not isinstance(data, list):
        return []
    pairs = [_pair(item) for item in data[:MAX_CASES]]
    if not pairs or None in pairs:
        return []
    return [f"assert {entry_point}({p[0]}) == {p[1]}" for p in pairs if p is not None]


def json_io(text: str) -> list[tuple[str, str]]:
    """Pairs of input and output texts in JSON; `[]` where `text` is none."""
    stripped = text.strip()
    data = _loaded(stripped) if stripped[:1] in ("[", "{") else None
    if isinstance(data, dict) and _pair(data) is None:
        data = next((data[key] for key in _LISTS if isinstance(data.get(key), list)), None)
    found = []
    for item in data if isinstance(data, list) else [data]:
        keys = {str(k).lower(): v for k, v in item.items()} if isinstance(item, dict) else {}
        given = next((keys[k] for k in ("input", "stdin") if k in keys), None)
        wanted = next((keys[k] for k in (*_OUTPUT, "stdout") if k in keys), None)
        if not isinstance(given, str) or not isinstance(wanted, str):
            return []
        found.append((given, wanted))
    return found


def _loaded(text: str) -> Any:
    """The value of JSON, of JSON lines, or of a Python literal."""
    for read in (json.loads, _lines, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
            continue
    return None


def _lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def _pair(item: Any) -> tuple[str, str] | None:
    """Source of the arguments and of the expected value."""
    if isinstance(item, list | tuple) and len(item) == 2:
        return _arguments(item[0], many=isinstance(item[0], tuple)), repr(item[1])
    if not isinstance(item, dict):
        return None
    keys = {str(key).lower().replace(" ", "_"): key for key in item}
    output = next((keys[key] for key in _OUTPUT if key in keys), None)
    one = next((keys[key] for key in _ONE if key in keys), None)
    many = next((keys[key] for key in _MANY if key in keys), None)
    if output is None or (one is None and many is None):
        return None
    if many is not None:
        return _arguments(item[many], many=isinstance(item[many], list | tuple)), repr(item[output])
    return _arguments(item[one], many=False), repr(item[output])


def _arguments(value: Any, *, many: bool) -> str:
    if many:
        return ", ".join(map(repr, value))
    if isinstance(value, dict) and value and all(_is_name(key) for key in value):
        return ", ".join(f"{key}={item!r}" for key, item in value.items())
    if isinstance(value, str) and re.match(r"\w+ *=[^=]", value) and compiles(f"f({value})"):
        return value
    return repr(value)


def _is_name(key: Any) -> bool:
    return isinstance(key, str) and key.isidentifier()
