"""The prompts that come with the package, by the kind of model they are for.

`POCKET` are the texts that the pocket model was pre-trained on, `CHAT` is for instruction-tuned
models, `EXAMPLES` for small ones and for those without a chat template.
"""

from __future__ import annotations

from dataclasses import replace

from sv_engine.pocket import grammar
from sv_engine.prompts.template import FENCE, FENCE_END, RoleTemplates, Template

POCKET = RoleTemplates(
    describe=(Template(grammar.DESCRIBE_TEMPLATE),),
    solve=Template('"""{prompt}"""\n', "def f(xs):"),
    verify=Template('"""{prompt}"""\n', "assert f("),
    verify_solution=Template('{solution}\n"""{prompt}"""\n', "assert f("),
    derive=Template('"""{prompt}"""\n', "assert f({argument}) == ("),
    critique=Template('"""{prompt}"""\n{tests}\n', "assert f("),
    apart=Template('"""{prompt}"""\n', "assert f("),
)
"""The texts that the pocket model was pre-trained on; verify_solution and critique it never saw."""

_PROGRAM = Template(
    "{prompt}\n\nWrite a Python program that reads its input from stdin and prints the answer. "
    "Answer with the whole program in one fenced block."
)
_IO_FORM = (
    "Each test is one fenced block: a line `Input:`, then what the program reads, then a line "
    "`Output:`, then exactly what it must print."
)
_IO_TESTS = Template(
    "{prompt}\n\nWrite tests for a program that reads its input from stdin and solves this "
    f"problem, without writing the program. {_IO_FORM} Cover usual inputs and edge cases."
)
_IO_TESTS_OF = Template(
    "{prompt}\n\nHere is a program for this, which may be wrong:\n\n```python\n{solution}\n```\n\n"
    f"Write tests that every correct program passes and wrong ones fail. {_IO_FORM}"
)
_IO_DERIVE = Template(
    "{prompt}\n\nWork out, step by step, what the program must print for this input:\n\n"
    "```\n{argument}\n```\n\nAnswer with exactly what it prints, in one fenced block at the end."
)
_IO_CRITIQUE = Template(
    "{prompt}\n\nSomebody wrote these tests, each an input and what must be printed:\n\n{tests}\n\n"
    "Check each output. Repair the tests that are wrong, drop those that the problem does not "
    f"decide, and answer with the remaining tests. {_IO_FORM}"
)
_IO_APART = Template(
    "{prompt}\n\nTwo programs for this disagree:\n\n```python\n{first}\n```\n\n```python\n"
    f"{{second}}\n```\n\nWrite tests with inputs for which they print different things. {_IO_FORM}"
)


def _with_programs(chosen: RoleTemplates) -> RoleTemplates:
    """The set with what is asked about programs that read and write."""
    return replace(
        chosen,
        solve=replace(chosen.solve, of_programs=_PROGRAM),
        verify=replace(chosen.verify, of_programs=_IO_TESTS),
        verify_solution=replace(chosen.verify_solution, of_programs=_IO_TESTS_OF),
        derive=replace(chosen.derive, of_programs=_IO_DERIVE),
        critique=replace(chosen.critique, of_programs=_IO_CRITIQUE),
        apart=replace(chosen.apart, of_programs=_IO_APART),
    )


_CHAT = RoleTemplates(
    describe=(
        Template(
            "Here is a code snippet:\n\n```python\n{snippet}\n```\n\nInspired by it, invent one "
            "short, self-contained Python programming problem that a beginner can solve. State "
            "exactly what the function gets and returns, its signature, and the edge cases. "
            "Answer with a Python function that has only a signature with type hints and a "
            "docstring, in one fenced block."
        ),
        Template(
            "Here is a code snippet:\n\n```python\n{snippet}\n```\n\nInspired by it, invent one "
            "Python programming problem of medium difficulty about strings, lists or dictionaries. "
            "State exactly what the function gets and returns, its signature, and the edge cases. "
            "Answer with a Python function that has only a signature with type hints and a "
            "docstring, in one fenced block."
        ),
        Template(
            "Here is a code snippet:\n\n```python\n{snippet}\n```\n\nInspired by it, invent one "
            "hard algorithmic problem as in a programming contest, solved by one Python function "
            "on plain values. State exactly what the function gets and returns, its signature, "
            "limits and edge cases. Answer with a Python function that has only a signature with "
            "type hints and a docstring, in one fenced block."
        ),
    ),
    solve=Template(
        "{prompt}\n\nWrite the Python function `{entry_point}` that solves this problem. Answer "
        "with the complete function and the imports it needs, in one fenced block."
    ),
    verify=Template(
        "{prompt}\n\nWrite tests for the Python function `{entry_point}` that solves this "
        "problem, without writing the function. Each test is one line of the form "
        "`assert {entry_point}(...) == ...` with literal arguments and a literal expected value. "
        "Cover usual inputs and edge cases. Answer with the tests in one fenced block."
    ),
    verify_solution=Template(
        "{prompt}\n\nHere is a solution, which may be wrong:\n\n```python\n{solution}\n```\n\n"
        "Write tests that every correct `{entry_point}` passes and wrong ones fail. Each test is "
        "one line of the form `assert {entry_point}(...) == ...` with literal arguments and a "
        "literal expected value. Answer with the tests in one fenced block."
    ),
    derive=Template(
        "{prompt}\n\nWork out, step by step, what `{entry_point}({argument})` must return. Answer "
        "with one line of the form `assert {entry_point}({argument}) == ...` in one fenced block."
    ),
    critique=Template(
        "{prompt}\n\nSomebody wrote these tests for `{entry_point}`:\n\n```python\n{tests}\n```\n\n"
        "Check each expected value. Repair the tests that are wrong, drop those that the problem "
        "does not decide, and answer with the remaining tests in one fenced block."
    ),
    apart=Template(
        "{prompt}\n\nTwo programs for this disagree:\n\n```python\n{first}\n```\n\n"
        "```python\n{second}\n```\n\nWrite tests with inputs on which they give different results, "
        "and the result that is right. Each test is one line of the form "
        "`assert {entry_point}(...) == ...` with literal arguments and a literal expected value. "
        "Answer with the tests in one fenced block."
    ),
)
CHAT = _with_programs(_CHAT)
"""For instruction-tuned models."""


_SUM_BETWEEN = (
    "Write a function that takes a list of numbers and two bounds, and returns the sum of the "
    "numbers that lie between them, bounds included."
)
_FIRST_WORDS = (
    "Write a function that takes a text and a number n, and returns the first n words of the text "
    "in upper case."
)
_SOLVE = "{prompt}\n\nWrite the Python function `{entry_point}`."
_VERIFY = (
    "{prompt}\n\nDo not write the function. Write three tests of `{entry_point}`, each of the form "
    "`assert {entry_point}(...) == ...`, with the value that it must return."
)
_DERIVE = "{prompt}\n\nWhat does `{entry_point}({argument})` return? Write it as one assert."


def _fenced(text: str) -> str:
    return FENCE + text + FENCE_END


def _asked(template: str, prompt: str, entry_point: str, argument: str = "") -> str:
    return template.format(prompt=prompt, entry_point=entry_point, argument=argument)


_HALVED = "Given a list of integers, return the list with every number halved, rounded down."
_MIDDLE = "I have a list of whole numbers. Give me the number in the middle."
_VERIFIED = (
    (
        _asked(_VERIFY, _HALVED, "halved"),
        _fenced(
            "assert halved([4, 7, 2]) == [2, 3, 1]\n"
            "assert halved([9]) == [4]\n"
            "assert halved([0, 5, 6, 1]) == [0, 2, 3, 0]"
        ),
    ),
    (
        _asked(_VERIFY, _MIDDLE, "middle"),
        _fenced(
            "assert middle([2, 8, 5]) == 8\n"
            "assert middle([6, 1, 4]) == 1\n"
            "assert middle([1, 3, 9, 4, 7]) == 9"
        ),
    ),
)
_TESTING = FENCE + "assert {entry_point}("

_EXAMPLES = RoleTemplates(
    describe=CHAT.describe,
    solve=Template(
        _SOLVE,
        FENCE + "def {entry_point}(",
        (FENCE_END,),
        (
            (
                _asked(_SOLVE, _SUM_BETWEEN, "sum_between"),
                _fenced(
                    "def sum_between(numbers, low, high):\n"
                    "    return sum(x for x in numbers if low <= x <= high)"
                ),
            ),
            (
                _asked(_SOLVE, _FIRST_WORDS, "first_words"),
                _fenced(
                    "def first_words(text, n):\n"
                    "    words = text.split()\n"
                    "    return [word.upper() for word in words[:n]]"
                ),
            ),
        ),
    ),
    verify=Template(_VERIFY, _TESTING, (FENCE_END,), _VERIFIED),
    verify_solution=Template(
        "```python\n{solution}\n```\n\nThis program may be wrong. " + _VERIFY,
        _TESTING,
        (FENCE_END,),
        _VERIFIED,
    ),
    derive=Template(
        _DERIVE,
        FENCE + "assert {entry_point}({argument}) ==",
        (FENCE_END, "\n"),
        (
            (
                _asked(_DERIVE, _HALVED, "halved", "[6, 1, 4]"),
                _fenced("assert halved([6, 1, 4]) == [3, 0, 2]"),
            ),
            (
                _asked(_DERIVE, _MIDDLE, "middle", "[3, 5, 2]"),
                _fenced("assert middle([3, 5, 2]) == 5"),
            ),
        ),
    ),
    critique=Template(
        _VERIFY + " Some of these may be wrong:\n\n```python\n{tests}\n```",
        _TESTING,
        (FENCE_END,),
        _VERIFIED,
    ),
    apart=Template(
        "```python\n{first}\n```\n\n```python\n{second}\n```\n\nThese programs disagree. "
        + _VERIFY,
        _TESTING,
        (FENCE_END,),
        _VERIFIED,
    ),
)
EXAMPLES = _with_programs(_EXAMPLES)
"""For small models and those without a chat template: two worked examples, the answer begun."""

ASKED = Template("{prompt}")
"""For problems whose text says all, such as programs that read and write."""
