"""Names that a test reads and nobody in its text binds: the solution's.

In: a test's text and all nodes of its tree. Out: names. Pure.
"""

from __future__ import annotations

import ast
import builtins
import symtable
import sys
from collections.abc import Iterator, Set

from . import text


def free(source: str, nodes: list[ast.AST], entry_point: str | None, modules: Set[str]) -> set[str]:
    """Those of `solution` and of the modules beside it included, and the entry point, which is the
    solution's whatever its name. Of the library's modules one is meant that is not imported, and
    stands for itself somewhere."""
    scope = symtable.symtable(source, "<test>", "exec")
    module = {one.get_name() for one in scope.get_symbols() if _binds(one)}
    found, scopes = set(), [scope]
    while scopes:
        scope = scopes.pop()
        scopes += scope.get_children()
        read = [one for one in scope.get_symbols() if one.is_referenced() and one.is_global()]
        found |= {one.get_name() for one in read}
    tools = text.TOOLS - _bare(nodes)
    known = {name for name in found if hasattr(builtins, name) or name in tools}
    imports = (one for one in nodes if isinstance(one, ast.Import | ast.ImportFrom))
    theirs = {name for one in imports for name in _imported(one, {"solution", *modules})}
    return (found - module - known) | theirs | ({entry_point} if entry_point else set())


def _bare(nodes: list[ast.AST]) -> set[str]:
    """Names of modules that stand for themselves somewhere."""
    bases = {id(one.value) for one in nodes if isinstance(one, ast.Attribute)}
    found = (one for one in nodes if isinstance(one, ast.Name) and id(one) not in bases)
    return {one.id for one in found if one.id in sys.stdlib_module_names}


def _binds(symbol: symtable.Symbol) -> bool:
    return symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()


def _imported(node: ast.Import | ast.ImportFrom, modules: Set[str]) -> Iterator[str]:
    """The names that an import takes from these."""
    of = [getattr(node, "module", None) or ""]
    for one in node.names:
        if not modules.isdisjoint(name.partition(".")[0] for name in (*of, one.name)):
            yield one.asname or one.name.partition(".")[0]
