"""The code of a test that has to run: parsed once, its assertion sites rewritten.

In: a test's source. Out: code to run, and what its text says; also as bytes (`prepared`), so that a
test is parsed and compiled once, by the process that plans, and not by every judge. Raises
SyntaxError and ValueError, as `compile` does. No code of the test runs here.
"""

from __future__ import annotations

import ast
import marshal
import re
from types import CodeType
from typing import NamedTuple

from . import rewrite
from .shared import STATES
from .source import PREPARED, Source, unpacked
from .tidy import tidiness

_MENTIONED = {
    **{"random": "random", "environ": "environ", "argv": "argv", "getenv": "environ"},
    **{"putenv": "environ", "warnings": "warnings", "assertWarns": "warnings", "warns": "warnings"},
    **{"assertWarnsRegex": "warnings", "deprecated_call": "warnings", "logging": "logging"},
    **{"assertLogs": "logging", "assertNoLogs": "logging", "caplog": "logging", "seed": "random"},
    **{"setrecursionlimit": "recursion"},
}
_MENTIONED |= dict.fromkeys(
    "open tempfile Path pathlib listdir makedirs mkdir TemporaryDirectory NamedTemporaryFile"
    " mkdtemp mkstemp tmp_path shutil exists isfile isdir glob write_text chdir getcwd os zipfile"
    " gzip sqlite3 csv ElementTree minidom configparser tarfile bz2 lzma shelve".split(),
    "files",
)
"""What is shared between test and solution, by the names that speak of it."""

_WORD = re.compile(r"[^\W\d]\w*")


class TestCode(NamedTuple):
    """One test: its circumstances (`source`), and what its text says (`rewrite.Text`)."""

    entry_point: str | None
    modules: set[str]
    """Those beside the solution."""
    text: str
    names: set[str]
    binds: set[str]
    sites: int
    fails: bool
    is_due: bool
    hands_over: bool
    last_line: int
    """Where its last statement begins."""
    patches: str
    """A module whose attribute the test sets; empty for almost all."""
    wanted: tuple[str, ...]
    """What is to be shared with the solution's process."""
    tidiness: int
    """Whether other tests may run in the process that it has run in (`tidy`)."""
    code: CodeType

    @property
    def tree(self) -> ast.Module:
        """Its text, parsed and rewritten."""
        tree = ast.parse(self.text)
        rewrite.rewrite(tree)
        return tree


def code_of(source: Source) -> TestCode:
    """The code of a source."""
    tree = ast.parse(source.code)
    modules = {path.split("/")[0].removesuffix(".py") for path in source.files}
    nodes, words = [*ast.walk(tree)], source.text.decode("utf-8", "replace")
    text = rewrite.rewrite(tree, nodes)
    if "doctest" in text.names:  # its examples stand in strings
        values = (node.value for node in nodes if isinstance(node, ast.Constant))
        text.names.update(*(_WORD.findall(value) for value in values if type(value) is str))
    patched = [of for of, name in text.sets if of in text.imports and of != "solution"]
    patched = [of for of, name in text.sets if of in patched and (of, name) not in REDIRECTED]
    if rewrite.SITES[:5] in words:
        raise ValueError(f"names that begin with {rewrite.SITES[:5]} are the judge's own")
    code = compile(tree, "<test>", "exec", dont_inherit=True)
    return TestCode(
        entry_point=source.entry_point,
        modules=modules,
        text=words,
        names=text.names,
        binds=text.binds,
        sites=text.sites,
        fails=text.fails,
        is_due=text.is_due,
        hands_over=text.hands_over,
        last_line=tree.body[-1].lineno if tree.body else 0,
        patches=patched[0] if patched else "",
        wanted=_wanted(text.names),
        tidiness=tidiness(compile(source.code, "<test>", "exec", dont_inherit=True)),
        code=code,
    )


def _wanted(names: set[str]) -> tuple[str, ...]:
    found = {_MENTIONED[name] for name in names if name in _MENTIONED}
    if not names.isdisjoint(("patch", "monkeypatch")):
        found |= {"argv", "environ"}
    if "chdir" in names:
        found.add("cwd")
    if "random" in found and names & {"np", "numpy"}:
        found.add("numpy")
    return tuple(sorted(found))


def prepared(test: TestCode) -> bytes:
    """Its blob, in the place of its source's; for `read` alone, and made by `tasks` alone."""
    return PREPARED + marshal.dumps(tuple(test))


def read(blob: bytes) -> TestCode:
    """The code of a test in the region."""
    if blob[:1] == PREPARED:
        return TestCode(*marshal.loads(blob[1:]))
    return code_of(unpacked(blob))


assert {"random", "environ", "argv"} <= STATES.keys()


REDIRECTED = {("sys", "stdin"), ("sys", "stdout"), ("sys", "stderr"), ("sys", "argv")}
REDIRECTED |= {("builtins", "input"), ("builtins", "print")}
"""What the solution finds as the test has put it (`shared`)."""
