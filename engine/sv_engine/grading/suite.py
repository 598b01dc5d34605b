"""The tests of a problem, out of what datasets call ground truth.

Known shapes, as values or as JSON text (docs/integrations/README.md lists them):

- `{"inputs": [..], "outputs": [..], "fn_name"?: str}` (APPS, TACO, PRIME, verl, NeMo-Gym)
- `{"assert_case": [..]}` (verl), and a list of sources of assertions (TRL, open-instruct)
- `[{"input": .., "output": .., "type"|"testtype"?: .., "fn_name"?: ..}]` (LiveCodeBench, Open-R1)
- `{"test": "def check(candidate): ...", "entry_point": str}` (HumanEval)
- one source of assertions

A call of a function is a test of its own: its arguments and what it should return are JSON.
Raises SuiteError for anything else; nothing is unpickled.
"""

from __future__ import annotations

import json
import keyword
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sv_engine.executors.protocol import Io, Test

CHECK = "decimals"
"""Of output: line by line, as LiveCodeBench compares."""
MAX_DEPTH = 64
"""Of the values of a call: the parser of a test takes about 90."""
_NESTED = ("test_cases", "unit_tests", "tests", "ground_truth", "verification_info")


class SuiteError(ValueError):
    """A ground truth in no known shape, and what is wrong with it."""


ENTRY = "_sv_entry_{name}"
_ENTRY = """

def {entry}(*_sv_arguments):
    try:
        _sv_target = {name}
    except NameError:
        _sv_target = Solution().{name}
    return _sv_target(*_sv_arguments)
"""


def with_entry(program: str, name: str) -> tuple[str, str]:
    """A program with one more function, and its name: it calls `name`, or the method of a class
    `Solution`, whichever there is. What it returns is the program's answer, as before."""
    entry = ENTRY.format(name=name)
    return program + _ENTRY.format(entry=entry, name=name), entry


@dataclass(frozen=True, slots=True)
class Call:
    """A function, its arguments, and values of which it should return one."""

    name: str
    arguments: tuple[Any, ...]
    expected: tuple[Any, ...]

    @property
    def strict(self) -> str:
        """An assertion that the function returns the first of the values."""
        return f"assert {self._call} == {literal(self.expected[0])}"

    @property
    def tolerant(self) -> list[str]:
        """One for each of the values, after a round trip through JSON, by which a tuple is a list;
        one of them has to hold."""
        there = f"_sv_json.loads(_sv_json.dumps({self._call}))"
        return [
            f"import json as _sv_json\nassert {there} == {literal(value)}"
            for value in self.expected
        ]

    @property
    def _call(self) -> str:
        return f"{ENTRY.format(name=self.name)}({', '.join(map(literal, self.arguments))})"


@dataclass(frozen=True, slots=True)
class Suite:
    """The tests of one problem."""

    tests: tuple[Test | Call, ...]

    def prepared(self, program: str) -> str:
        """The program with what its calls need."""
        for name in {test.name: None for test in self.tests if isinstance(test, Call)}:
            program, _ = with_entry(program, name)
        return program


def read_suite(truth: Any, *, fn_name: str | None = None, check: str = CHECK) -> Suite:
    """The suite in a ground truth of any known shape. Raises SuiteError."""
    tests = _read(truth, fn_name, check, depth=0)
    if not tests:
        raise SuiteError("the ground truth holds no test")
    for index, test in enumerate(tests):
        _check(test, f"test {index}")
    return Suite(tuple(tests))


def _check(test: Test | Call, where: str) -> None:
    """Raises SuiteError for a test that no program could pass, whatever it does."""
    if isinstance(test, Call):
        if _depth(test.arguments) > MAX_DEPTH or _depth(test.expected) > MAX_DEPTH:
            raise SuiteError(f"{where}: its values are nested too deeply")
        return
    for text in (test,) if isinstance(test, str) else (test.stdin, test.expected):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise SuiteError(f"{where}: half of a character is no text") from None


def _depth(value: Any) -> int:
    """How deeply containers are nested, without recursion."""
    depth, level = 0, [value]
    while level := [
        each
        for container in level
        if isinstance(container, list | tuple | dict)
        for each in (container.values() if isinstance(container, dict) else container)
    ]:
        depth += 1
    return depth


def _read(truth: Any, fn_name: str | None, check: str, depth: int) -> list[Test | Call]:
    if depth > 4:
        raise SuiteError("the ground truth is nested too deeply")
    if isinstance(truth, str):
        parsed = _json(truth)
        if isinstance(parsed, dict | list):
            return _read(parsed, fn_name, check, depth + 1)
        return [truth] if truth.strip() else []
    if isinstance(truth, Mapping):
        return _read_mapping(truth, fn_name, check, depth)
    if isinstance(truth, Sequence):
        return _read_list(truth, fn_name, check)
    raise SuiteError(f"a ground truth is text, a list or a mapping, not {type(truth).__name__}")


def _read_mapping(
    truth: Mapping[str, Any], fn_name: str | None, check: str, depth: int
) -> list[Test | Call]:
    fn_name = truth.get("fn_name") or truth.get("func_name") or fn_name
    if isinstance(truth.get("assert_case"), list):
        return _read_list(truth["assert_case"], None, check)
    if "test" in truth and "entry_point" in truth:
        return [f"{truth['test']}\n\ncheck({truth['entry_point']})\n"]
    for ins, outs in (("inputs", "outputs"), ("input", "output")):
        if isinstance(truth.get(ins), list) and isinstance(truth.get(outs), list):
            if len(truth[ins]) != len(truth[outs]):
                raise SuiteError(f"{len(truth[ins])} {ins}, but {len(truth[outs])} {outs}")
            pairs = zip(truth[ins], truth[outs], strict=True)
            return [_pair(i, o, fn_name, check) for i, o in pairs]
    if "input" in truth and "output" in truth:
        return _read_list([truth], fn_name, check)
    for key in _NESTED:
        if key in truth:
            return _read(truth[key], fn_name, check, depth + 1)
    raise SuiteError(f"no tests in a mapping with the keys {', '.join(map(str, truth)) or 'none'}")


def _read_list(truth: Sequence[Any], fn_name: str | None, check: str) -> list[Test | Call]:
    tests: list[Test | Call] = []
    for index, each in enumerate(truth):
        if isinstance(each, str):
            tests.append(each)
        elif isinstance(each, Mapping) and "input" in each and "output" in each:
            kind = each.get("testtype") or each.get("type") or ""
            name = each.get("fn_name") or fn_name
            if kind in ("functional", "function_call") and not name:
                raise SuiteError(f"test {index} calls a function, but none is named")
            stdin = kind in ("stdin", "stdin_stdout")
            tests.append(_pair(each["input"], each["output"], None if stdin else name, check))
        else:
            raise SuiteError(f"test {index} is neither source nor input and output")
    return tests


def _pair(given: Any, expected: Any, fn_name: str | None, check: str) -> Test | Call:
    if not fn_name:
        return Io(_text(given), _text(expected), check)
    if not isinstance(fn_name, str) or not fn_name.isidentifier() or keyword.iskeyword(fn_name):
        raise SuiteError(f"{fn_name!r} is not the name of a function")
    if isinstance(given, str):  # one JSON value per line
        lines = given.rstrip("\n").split("\n")  # a last line's end begins no further argument
        arguments = [_value(line) for line in lines] if given.strip() else []
    else:
        arguments = given if isinstance(given, list) else [given]
    if isinstance(expected, str):
        parsed = _json(expected)
        wanted = [expected if parsed is _NO_JSON else parsed, expected]
    else:  # APPS wraps what is returned in a list
        wanted = [expected, *(expected[:1] if isinstance(expected, list) else [])]
    return Call(fn_name, tuple(arguments), tuple(wanted))


_NO_JSON = object()


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _NO_JSON


def _value(line: str) -> Any:
    parsed = _json(line)
    return line if parsed is _NO_JSON else parsed


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(map(str, value))
    return "" if value is None else str(value)


def literal(value: Any) -> str:
    """Source of a JSON value."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"float('{value}')"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{literal(k)}: {literal(v)}' for k, v in value.items())}}}"
    return repr(value)
