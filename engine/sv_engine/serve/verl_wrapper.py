"""verl's `fn_name` wrapper, recognised and judged.

verl wraps a program so that it reads one JSON value per line from standard input, calls a function
with them and prints what it returns. The wrapper leaves with exit code 0 whatever happens, and the
program in it may leave before the call: with an expected output that is empty both pay.

So a call counts only if the function, asked again with the program in one process and the caller
in another, returns plain data that reads as what was printed. `Wrapped.test` is the test for that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

START = "# === User's Original Code START ==="
END = "# === User's Original Code END ==="
_NAME = re.compile(r'^_SANDBOX_FN_NAME = "(\w+)"$', re.MULTILINE)
_BEFORE = re.compile(r"(?:\s|(?:import|from) [\w. ,*]+$)*", re.MULTILINE)

_TEST = """\
import json as _sv_json
try:
    _sv_target = {name}
except NameError:
    _sv_target = Solution().{name}
_sv_value = _sv_target(*map(_sv_json.loads, {lines!r}))
if isinstance(_sv_value, (dict, list, tuple, bool)) or _sv_value is None:
    _sv_value = _sv_json.dumps(_sv_value)
else:
    _sv_value = str(_sv_value)
assert _sv_value == {printed!r}
"""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A program, and the function of it that is called."""

    before: str
    """The wrapper's imports, which the program may rely on."""
    program: str
    name: str

    @property
    def solution(self) -> str:
        """What the judged process loads."""
        return self.before + self.program

    def test(self, stdin: str, stdout: str) -> str | None:
        """Source that passes if the call returns what was printed; None: the wrapper prints a line.

        stdin: the arguments, one JSON value per line. stdout: all that the program printed.
        """
        lines = stdin.split("\n") if stdin.strip() else []
        if not stdout.endswith("\n"):
            return None
        return _TEST.format(name=self.name, lines=lines, printed=stdout[:-1])


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
