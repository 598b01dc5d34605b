"""Rows of EvalPlus (HumanEval+, MBPP+), judged by EvalPlus' own rule.

In: a row as EvalPlus releases it: JSON, in which tuples, sets and complex numbers have become lists
and text. Out: `Candidates` whose one test runs the canonical solution and the one that is judged on
the base inputs and the extra ones, the arguments copied for each. The rule (Liu et al. 2023, arXiv
2305.01210; facts from release 0.3.1):

- equal, or, where a tolerance is given or the answer is of floats, within it and 1e-7, with equal
  types and lengths;
- eight MBPP tasks compare as sets, three whether there is an answer at all, four accept an answer
  of another reading, and HumanEval/32 accepts any root of its polynomial.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from sv_engine.problems.benchmarks import Row, check_entry_point, check_fields, one_solution
from sv_engine.problems.jsonl import FieldError
from sv_engine.records import Candidates, Problem


class _EvalPlusRow(Row):
    task_id: str = Field(min_length=1)
    prompt: str
    entry_point: str = Field(min_length=1)
    canonical_solution: str
    base_input: list[Any]
    plus_input: list[Any] | dict[str, Any]
    atol: float = 0.0


FLOAT_TOLERANCE = 1e-6
"""Of answers that are floats where the row gives none."""

_EVERY, _FIRST, _SECOND = slice(None), slice(0, 1), slice(1, 2)
_TUPLES: tuple[tuple[slice, tuple[int, ...], str], ...] = (
    (
        _EVERY,
        (0,),
        "2 116 132 143 222 261 273 394 399 421 424 429 470 560 579 596 616 630 726 740 744 809",
    ),
    (_EVERY, (1,), "63 64 70 94 120 237 272 299 400 409 417 438 473 614 780"),
    (_EVERY, (0, 1), "259 401 445"),
    (_EVERY, (0, 1, 2, 3, 4, 5, 6, 7), "580 615 791"),
    (_FIRST, (1,), "75 413 444 753"),
    (_FIRST, (0,), "250 307 405 446 617 720 763 808"),
    (_FIRST, (0, 1), "278"),
    (_SECOND, (0,), "106 750"),
)
"""Arguments of MBPP tasks whose lists are tuples, at which depths (0: the argument itself)."""
_TUPLES_OF = {int(n): (which, depths) for which, depths, ids in _TUPLES for n in ids.split()}


def evalplus(row: dict[str, Any]) -> Candidates:
    """One row; raises FieldError, or pydantic's ValidationError."""
    r = _EvalPlusRow.model_validate(row)
    check_fields(r, "task_id", "prompt", "entry_point", "canonical_solution")
    check_entry_point(r.entry_point)
    solution = r.prompt + r.canonical_solution
    extra = r.plus_input if isinstance(r.plus_input, list) else []
    try:
        inputs = [arguments_of(r.task_id, given) for given in [*r.base_input, *extra]]
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise FieldError("base_input", f"not what EvalPlus has for {r.task_id}: {error}") from None
    test = _TEST.format(
        solution=solution,
        entry_point=r.entry_point,
        inputs=inputs,
        atol=r.atol,
        tolerance=FLOAT_TOLERANCE,
        rule=_rule(r.task_id, r.entry_point),
    )
    return one_solution(Problem(r.task_id, r.prompt, r.entry_point, solution, test), [test])


def arguments_of(task_id: str, given: list[Any]) -> list[Any]:
    """The arguments of one input, as they were before they became JSON."""
    family, _, number = task_id.rpartition("/")
    if family.lower() != "mbpp" or not number.isdigit():
        return given
    match int(number):
        case 115:
            return [[set(item) if item else {} for item in given[0]]]
        case 124:
            return [float(given[0]), complex(given[1])]
        case 252:
            return [complex(given[0])]
        case 722:
            return [{key: tuple(value) for key, value in given[0].items()}, *given[1:]]
        case other if other in _TUPLES_OF:
            which, depths = _TUPLES_OF[other]
            changed = list(given)
            changed[which] = [_tupled(item, depths) for item in given[which]]
            return changed
    return given


def _tupled(value: Any, depths: tuple[int, ...], depth: int = 0) -> Any:
    if not isinstance(value, list):
        return value
    items = value
    if any(deeper > depth for deeper in depths):
        items = [_tupled(item, depths, depth + 1) for item in value]
    return tuple(items) if depth in depths else items


def _rule(task_id: str, entry_point: str) -> str:
    """A Python expression over `_in` (the arguments), `_got` and `_want`: accepted before any
    tolerance."""
    if task_id.lower().startswith("humaneval"):
        return _ROOT if entry_point == "find_zero" else "_got == _want"
    if entry_point in _AS_SETS:
        return "set(_got) == set(_want)"
    if entry_point in _WHETHER_ANY:
        return "(_got if isinstance(_got, bool) else _got is not None) == _want"
    return _OTHER_READINGS.get(entry_point, "_got == _want")


_AS_SETS = frozenset(
    "similar_elements find_char_long common_in_nested_lists extract_singly larg_nnum "
    "intersection_array find_dissimilar Diff".split()
)
_WHETHER_ANY = frozenset({"check_str", "text_match_three", "text_starta_endb"})
_OTHER_READINGS = {
    "are_equivalent": "True",
    "sum_div": "_got == _want or _got == 0",
    "surface_Area": (
        "_got == _want or abs(_got - round(_in[0] ** 2 + 2 * _in[0] * math.sqrt("
        "(_in[0] / 2) ** 2 + _in[1] ** 2))) <= _atol"
    ),
    "digit_distance_nums": (
        "_got == _want or _got == sum(abs(int(a) - int(b)) for a, b in zip(*("
        "str(n).zfill(max(len(str(m)) for m in _in)) for n in _in)))"
    ),
}
_ROOT = "abs(sum(c * math.pow(_got, i) for i, c in enumerate(_in[0]))) <= _atol"

_TEST = """\
import copy, math
_expected = {{"__name__": "canonical"}}
exec({solution!r}, _expected)
_atol = {atol!r}

def _floats(value):
    if isinstance(value, float):
        return True
    return isinstance(value, (list, tuple)) and bool(value) and all(
        isinstance(item, float) for item in value)

def _close(got, want, atol):
    if isinstance(want, (list, tuple)):
        return len(got) == len(want) and all(_close(a, b, atol) for a, b in zip(got, want))
    return got == want or abs(got - want) <= atol + 1e-7 * abs(want) or (
        got != got and want != want)

def _accepted(_in, _got, _want):
    if {rule}:
        return True
    atol = _atol or ({tolerance!r} if _floats(_want) else 0)
    return bool(atol) and type(_got) is type(_want) and _close(_got, _want, atol)

for _input in {inputs!r}:
    _want = _expected["{entry_point}"](*copy.deepcopy(_input))
    _got = {entry_point}(*copy.deepcopy(_input))
    assert _accepted(_input, _got, _want), _input
"""
