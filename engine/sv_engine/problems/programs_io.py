"""Problems whose solution is a program that reads and writes: their programs and tests as text.

Such a problem has the empty entry point. A test of it is JSON text, `{"input": ..., "output":
...}`, in one spelling (`io_test`), so that equal tests are equal texts; a list of such pairs is one
test that asks for all of them. A model writes tests as blocks:

    Input:
    2 3
    Output:
    5

White space at the ends of lines, and empty lines at the end, do not count when output is compared.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence

from sv_engine.problems.cases import json_io
from sv_engine.problems.markup import answer_of, read_blocks
from sv_engine.problems.python_text import Drop, check_text, compiles

MAX_TESTS = 200
"""Of one completion."""
_PAIR = re.compile(
    r"^[ \t#*]*input[ \t*]*:[ \t*]*\n?(.*?)\n"
    r"[ \t#*]*(?:expected[ \t]+)?output[ \t*]*:[ \t*]*\n?(.*?)"
    r"(?=\n[ \t]*```|\n[ \t#*]*input[ \t*]*:|\n[ \t]*\n[ \t]*\n|\Z)",
    re.IGNORECASE | re.DOTALL | re.MULTILINE,
)


def io_test(stdin: str, output: str) -> str:
    """The test that this input gives this output."""
    return json.dumps({"input": _lines(stdin), "output": _lines(output)}, ensure_ascii=False)


def io_pairs(test: str) -> list[tuple[str, str]] | None:
    """Inputs with their outputs, all of which the test asks for; None: it is no such test."""
    if test[:1] not in ("{", "["):
        return None
    try:
        value = json.loads(test)
    except (ValueError, RecursionError):
        return None
    pairs = value if isinstance(value, list) else [value]
    found = [(p.get("input"), p.get("output")) for p in pairs if isinstance(p, dict)]
    texts = [(i, o) for i, o in found if isinstance(i, str) and isinstance(o, str)]
    return texts if texts and len(texts) == len(pairs) else None


def read_program(completion: str) -> str | Drop:
    """The program in a completion: its last block that is one, all blocks together, or the text."""
    if reason := check_text(completion):
        return reason
    answer = answer_of(completion)
    if answer is None:
        return Drop.ONLY_THOUGHT
    if not answer.strip():
        return Drop.EMPTY
    blocks = [block for block in read_blocks(answer).python() if block.strip()]
    for program in (*reversed(blocks), "\n".join(blocks), answer):
        if program.strip() and compiles(program):
            return program.strip("\n") + "\n"
    return Drop.DOES_NOT_COMPILE


def read_io_tests(completion: str, limit: int | None) -> tuple[list[str], Counter[Drop]]:
    """The first `limit` tests in a completion, in blocks of `Input:` and `Output:` or as JSON."""
    if reason := check_text(completion):
        return [], Counter([reason])
    answer = answer_of(completion)
    if answer is None:
        return [], Counter([Drop.ONLY_THOUGHT])
    texts = [block.text for block in read_blocks(answer).blocks]
    pairs = next((found for text in [*texts, answer] if (found := json_io(text))), [])
    pairs = pairs or [(i, o) for i, o in _PAIR.findall(_unfenced(answer))]
    tests = [io_test(i, o) for i, o in pairs[:MAX_TESTS] if o.strip()]
    if not tests:
        return [], Counter([Drop.NO_ASSERT if answer.strip() else Drop.EMPTY])
    return tests[:limit], Counter()


def read_output(completion: str) -> str | None:
    """What a completion says is printed: its last block, else the whole answer."""
    if check_text(completion) or (answer := answer_of(completion)) is None:
        return None
    texts = [block.text for block in read_blocks(answer).blocks if block.text.strip()]
    output = texts[-1] if texts else answer
    output = re.sub(r"\A\s*(?:expected +)?output *:[ \t]*\n?", "", output, flags=re.IGNORECASE)
    return output if output.strip() else None


def written_tests(tests: Sequence[str]) -> str:
    """The text of which `read_io_tests` reads these tests (those of one pair)."""
    pairs = [pair for test in tests for pair in io_pairs(test) or ()]
    return "\n\n".join(f"```\nInput:\n{i}\nOutput:\n{o}\n```" for i, o in pairs)


def _unfenced(text: str) -> str:
    """Fences as empty lines, so that each ends what was before it."""
    return re.sub(r"^[ \t]*(?:```|~~~)[^\n]*$", "\n", text, flags=re.MULTILINE)


def _lines(text: str) -> str:
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        lines.pop(0)
    return "\n".join(lines)
