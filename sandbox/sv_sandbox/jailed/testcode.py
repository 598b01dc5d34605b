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
    "open tempfile Path pathlib listdir makedirs mkdir TemporaryDirectory NamedTemporaryFile mkdtemp"
    " mkstemp tmp_path shutil exists isfile write_text chdir getcwd".split(),
    "files",
)
"""What is shared between test and solution, by the names that speak of it."""


class TestCode:
    """One test."""

    def __init__(self, source: Source):
        self.entry_point = source.entry_point
        self.modules = {path.split("/")[0].removesuffix(".py") for path in source.files}
        self.tree = ast.parse(source.text)
        self.branches = rewrite.branches(self.tree)
        self.binds = set(_bound(self.tree))
        self.names = set(_names(self.tree))
        self.patches = _patched_module(self.tree)
        """A module whose attribute the test sets; empty for almost all."""
        self.hands_over = hands_over(self.tree)
        self.sites = rewrite.rewrite(self.tree, self.binds)
        self.code = compile(self.tree, "<test>", "exec", dont_inherit=True)

    @functools.cached_property
    def wanted(self) -> tuple[str, ...]:
        """What is to be shared with the solution's process."""
        found = {_MENTIONED[name] for name in self.names if name in _MENTIONED}
        if "random" in found and self.names & {"np", "numpy"}:
            found.add("numpy")
        return tuple(sorted(found))


assert {"random", "environ", "argv"} <= STATES.keys()


def hands_over(tree: ast.Module) -> bool:
    """Whether the text may define tests that it does not run itself, or use pytest's names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.lower().startswith("test") or isinstance(node, ast.ClassDef):
                return True
        elif isinstance(node, ast.Import | ast.ImportFrom):
            named = {one.name for one in node.names} | {getattr(node, "module", None)}
            if named & {"pytest", "unittest"}:
                return True
        elif isinstance(node, ast.Name) and node.id.startswith("test"):
            return True
    return False


def _names(tree: ast.AST) -> list[str]:
    """All names, attributes and modules that the text speaks of."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.append(node.id)
        elif isinstance(node, ast.Attribute):
            found.append(node.attr)
        elif isinstance(node, ast.Import):
            found += [part for one in node.names for part in one.name.split(".")]
        elif isinstance(node, ast.ImportFrom):
            found += [*(node.module or "").split("."), *(one.name for one in node.names)]
    return found


def _bound(tree: ast.AST) -> list[str]:
    """Names that the text binds itself, but not what it imports from the solution."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.append(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.append(node.name)
        elif isinstance(node, ast.arg):
            found.append(node.arg)
        elif isinstance(node, ast.Import):
            found += [one.asname or one.name.split(".")[0] for one in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module != "solution":
            found += [one.asname or one.name for one in node.names]
    return found


def _patched_module(tree: ast.AST) -> str:
    imported = {
        one.asname or one.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for one in node.names
    } - {"solution"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            if isinstance(node.value, ast.Name) and node.value.id in imported:
                if (node.value.id, node.attr) not in REDIRECTED:
                    return node.value.id
    return ""


REDIRECTED = {("sys", "stdin"), ("sys", "stdout"), ("sys", "stderr"), ("sys", "argv")}
REDIRECTED |= {("builtins", "input"), ("builtins", "print")}
"""What the solution finds as the test has put it (`shared`)."""
