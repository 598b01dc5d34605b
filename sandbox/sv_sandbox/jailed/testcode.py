"""The code of a test that has to run: parsed once, its assertion sites rewritten.

In: a test's source. Out: code to run, and what its text says. Raises SyntaxError and ValueError, as
`compile` does. No code of the test runs here.
"""

from __future__ import annotations

import ast
import functools

from . import rewrite
from .shared import STATES
from .source import Source

_MENTIONED = {
    **{"random": "random", "environ": "environ", "argv": "argv", "getenv": "environ"},
    **{"putenv": "environ", "warnings": "warnings", "assertWarns": "warnings", "warns": "warnings"},
    **{"assertWarnsRegex": "warnings", "deprecated_call": "warnings", "logging": "logging"},
    **{"assertLogs": "logging", "assertNoLogs": "logging", "caplog": "logging", "seed": "random"},
}
_MENTIONED |= dict.fromkeys(
    "open tempfile Path pathlib listdir makedirs mkdir TemporaryDirectory NamedTemporaryFile"
    " mkdtemp mkstemp tmp_path shutil exists isfile isdir glob write_text chdir getcwd os zipfile"
    " gzip sqlite3 csv".split(),
    "files",
)
"""What is shared between test and solution, by the names that speak of it."""


class TestCode:
    """One test."""

    def __init__(self, source: Source):
        self.entry_point = source.entry_point
        self.modules = {path.split("/")[0].removesuffix(".py") for path in source.files}
        self.tree = ast.parse(source.text)
        self.text = source.text.decode("utf-8", "replace")
        text = rewrite.rewrite(self.tree)
        self.branches, self.names, self.sites = text.branches, text.names, text.sites
        self.inner_sites = text.inner_sites
        self.hands_over, self.binds = text.hands_over, text.binds
        patched = [of for of, name in text.sets if of in text.imports and of != "solution"]
        patched = [of for of, name in text.sets if of in patched and (of, name) not in REDIRECTED]
        self.patches = patched[0] if patched else ""
        """A module whose attribute the test sets; empty for almost all."""
        self.code = compile(self.tree, "<test>", "exec", dont_inherit=True)

    @functools.cached_property
    def wanted(self) -> tuple[str, ...]:
        """What is to be shared with the solution's process."""
        found = {_MENTIONED[name] for name in self.names if name in _MENTIONED}
        if "patch" in self.names:
            found |= {"argv", "environ"}
        if "random" in found and self.names & {"np", "numpy"}:
            found.add("numpy")
        return tuple(sorted(found))


assert {"random", "environ", "argv"} <= STATES.keys()


REDIRECTED = {("sys", "stdin"), ("sys", "stdout"), ("sys", "stderr"), ("sys", "argv")}
REDIRECTED |= {("builtins", "input"), ("builtins", "print")}
"""What the solution finds as the test has put it (`shared`)."""
