"""verl's `fn_name` wrapper, recognised and judged.

verl wraps a program so that it reads one JSON value per line from standard input, calls a function
with them and prints what it returns. The wrapper leaves with exit code 0 whatever happens, and the
program in it may leave before the call: with an expected output that is empty both pay.

So a call counts only if the function, asked again with the program in one process and the caller
in another, returns plain data that reads as what was printed: `Wrapped.judged`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from sv_engine.grading.suite import literal, with_entry

START = "# === User's Original Code START ==="
END = "# === User's Original Code END ==="
_NAME = re.compile(r'^_SANDBOX_FN_NAME = "(\w+)"$', re.MULTILINE)
_BEFORE = re.compile(r"(?:\s|(?:import|from) [\w. ,*]+$)*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A program, and the function of it that is called."""

    before: str
    """The wrapper's imports, which the program may rely on."""
    program: str
    name: str

    def judged(self, stdin: str, stdout: str) -> tuple[str, list[str]] | None:
        """A solution and tests, one of which passes if the call returns what was printed; None: it
        cannot have, as the wrapper prints a line.

        stdin: the arguments, one JSON value per line. stdout: all that the program printed. The
        wrapper prints containers, truth and None as JSON, and `str` of all else.
        """
        if not stdout.endswith("\n"):
            return None
        printed = stdout[:-1]
        try:
            arguments = [json.loads(line) for line in stdin.split("\n")] if stdin.strip() else []
            call = ", ".join(map(literal, arguments))
        except (ValueError, RecursionError):
            return None
        solution, entry = with_entry(self.before + self.program, self.name)
        call = f"{entry}({call})"
        shown = f"import json as _sv_json\nassert _sv_json.dumps({call}) == "
        return solution, [
            f"{shown}{printed!r}",
            f"assert {call} == {printed!r}",
            f"assert str({call}) == {printed!r}",
        ]


def unwrap(text: str) -> Wrapped | None:
    """The program in a wrapper, or None if `text` is no wrapper.

    The caller's lines stand first and last: a program that brings markers of its own changes
    nothing.
    """
    start, end = text.find(START), text.rfind(END)
    if start < 0 or end < start or not _BEFORE.fullmatch(text, 0, start):
        return None
    name = _NAME.search(text, end)
    if name is None:
        return None
    program = text[start + len(START) : end]
    return Wrapped(text[:start], program, name[1])
