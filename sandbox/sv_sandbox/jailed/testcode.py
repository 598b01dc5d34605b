"""The code of a test that has to run: parsed once, its assertion sites rewritten.

In: a test's source. Out: code to run, and what its text says; also as bytes (`prepared`), so that a
test is parsed and compiled once, by the process that plans, and not by every judge. Raises
SyntaxError and ValueError, as `compile` does. No code of the test runs here.
"""

from __future__ import annotations

import ast
import marshal
import re
from collections.abc import Iterable, Iterator
from types import CodeType
from typing import NamedTuple

from . import rewrite
from .bytecode import is_tidy
from .shared import STATES
from .source import PREPARED, Source, unpacked

_MENTIONED = {
    **{"random": "random", "environ": "environ", "argv": "argv", "getenv": "environ"},
    **{"putenv": "environ", "warnings": "warnings", "assertWarns": "warnings", "warns": "warnings"},
    **{"assertWarnsRegex": "warnings", "deprecated_call": "warnings", "logging": "logging"},
    **{"assertLogs": "logging", "assertNoLogs": "logging", "caplog": "logging", "seed": "random"},
}
_MENTIONED |= dict.fromkeys(
    "open tempfile Path pathlib listdir makedirs mkdir TemporaryDirectory NamedTemporaryFile"
    " mkdtemp mkstemp tmp_path shutil exists isfile isdir glob write_text chdir getcwd os zipfile"
    " gzip sqlite3 csv ElementTree minidom configparser tarfile bz2 lzma shelve".split(),
    "files",
)
"""What is shared between test and solution, by the names that speak of it."""


_PURE = frozenset(
    "math cmath re string collections itertools functools operator copy typing dataclasses enum abc"
    " heapq bisect fractions statistics textwrap json datetime numbers types"
    " unittest pytest __future__ solution".split()
)
"""Modules that tell and change nothing of the process, as tests use them."""
_IMPURE = frozenset(
    "open input globals locals vars id hash eval exec compile __import__ __name__ __file__ mock gc"
    " read_text read_bytes write_text write_bytes exists is_file is_dir iterdir stat unlink mkdir"
    " touch glob rglob resolve absolute cwd"
    " assertIs assertIsNot is_ is_not intern filterwarnings dir patch sys os tmp_path tmpdir"
    " IsolatedAsyncioTestCase capsys capfd caplog monkeypatch recwarn request assertLogs"
    " assertNoLogs assertWarns assertWarnsRegex warns deprecated_call today now".split()
)
"""Names that may."""
_WORD = re.compile(r"[^\W\d]\w*")


class TestCode(NamedTuple):
    """One test: its circumstances (`source`), and what its text says (`rewrite.Text`)."""

    entry_point: str | None
    modules: set[str]
    """Those beside the solution."""
    text: str
    names: set[str]
    binds: set[str]
    bound: set[str]
    """Of these, the global ones."""
    defined: set[str]
    """Of those, the ones that it does not import."""
    imported: dict[str, str]
    """And what it imports by the others: a module, or a name of one ."""
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
    is_pure: bool
    """Whether it speaks of nothing that belongs to a process."""
    is_tidy: bool
    """Whether other tests may run in the process that it has run in."""
    code: CodeType

    @property
    def tree(self) -> ast.Module:
        """Its text, parsed and rewritten."""
        tree = ast.parse(self.text)
        rewrite.rewrite(tree)
        return tree


def code_of(source: Source) -> TestCode:
    """The code of a source."""
    tree = ast.parse(source.text)
    modules = {path.split("/")[0].removesuffix(".py") for path in source.files}
    nodes, words = [*ast.walk(tree)], source.text.decode("utf-8", "replace")
    is_pure = not modules and all(map(_is_pure, nodes))
    bound, defined = {*_bound(tree.body)}, {*_bound(tree.body, imports=False)}
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
        bound=bound,
        defined=defined,
        imported=dict(_imported(nodes)),
        sites=text.sites,
        fails=text.fails,
        is_due=text.is_due,
        hands_over=text.hands_over,
        last_line=tree.body[-1].lineno if tree.body else 0,
        patches=patched[0] if patched else "",
        wanted=_wanted(text.names),
        is_pure=is_pure and text.names.isdisjoint(_IMPURE),
        is_tidy=is_tidy(code, text.names),
        code=code,
    )


def _bound(body: Iterable[ast.AST], imports: bool = True) -> Iterator[str]:
    """Names that a text binds for all of itself."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
            for one in ast.walk(node):
                yield from one.names if isinstance(one, ast.Global) else ()
        elif isinstance(node, ast.Import | ast.ImportFrom):
            is_ours = imports and getattr(node, "module", None) != "solution"
            yield from ((of.asname or of.name).split(".")[0] for of in node.names if is_ours)
        elif isinstance(node, ast.Name) and type(node.ctx) is ast.Store:
            yield node.id
        elif isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp):
            named = (one.target for one in ast.walk(node) if isinstance(one, ast.NamedExpr))
            yield from (one.id for one in named)
        else:
            if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
                yield node.name
            elif isinstance(node, ast.MatchMapping) and node.rest:
                yield node.rest
            yield from _bound(ast.iter_child_nodes(node), imports)


def _imported(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    """What is imported: names, each with the module, or the name of one, that it stands for."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for one in node.names:
                name = one.asname or one.name.split(".")[0]
                yield name, one.name if one.asname else name
        elif isinstance(node, ast.ImportFrom) and node.module != "solution":
            yield from ((one.asname or one.name, f"{node.module}.{one.name}") for one in node.names)


def _is_pure(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return all(one.name.split(".")[0] in _PURE for one in node.names)
    if isinstance(node, ast.Compare):
        kinds = zip(node.ops, node.comparators, strict=True)
        return not any(
            isinstance(op, ast.Is | ast.IsNot) and not isinstance(of, ast.Constant)
            for op, of in kinds
        )
    return not isinstance(node, ast.ImportFrom) or (node.module or "").split(".")[0] in _PURE


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
