"""A program out of the pieces of Python in a reply, whole but for what only shows it at work.

In: texts (fenced blocks, or a reply with prose in it) and the entry point. Out: source that
defines the entry point, or None.

A *piece* is a run of whole statements; what cannot be parsed between pieces is prose. Of the pieces
that define the entry point the last counts, being the final version; pieces that bind what it
lacks come along, in the order of the text. Of that program only what `tidied` lists is taken away.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable, Iterator

from sv_engine.problems.markup import without_prompts
from sv_engine.problems.python_text import (
    bound_names,
    defines,
    free_names,
    imported_names,
    is_stub,
    loaded_names,
    owner_of,
    parse,
    parse_prefix,
)

MAX_PARSED_CHARS = 512 << 10
"""How much text one reply may cost the parser, attempts that fail included."""

_CODE_START = re.compile(
    r"^(?:import \w|from \S+ import\b|(?:async +)?def \w|class \w|@\w|#|\"\"\"|'''|r\"\"\""
    r"|(?:if|for|while|with|match|async for|async with|assert|del|global|raise) \S|try:"
    r"|[A-Za-z_][\w.]*(?:\[[^\n]{0,200}\])?(?:[ \t]*,[ \t]*[A-Za-z_][\w.]*)*[ \t]*"
    r"(?::[^\n=]{1,200})?[-+*/|&]?=(?!=)|[A-Za-z_][\w.]*\()",
    re.MULTILINE,
)
"""How a line begins that may be the first of a program; the parser decides."""

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_IMPORTS = (ast.Import, ast.ImportFrom)
_ACTS = frozenset({"print", "input", "open", "exit", "quit", "breakpoint", "help", "pprint"})
_ACTING_ATTRIBUTES = frozenset(
    "sys.stdin sys.stdout sys.stderr sys.exit sys.argv os.read os.write os._exit unittest.main "
    "unittest.TextTestRunner doctest.testmod doctest.run_docstring_examples pytest.main "
    "timeit.timeit timeit.repeat logging.info logging.debug logging.basicConfig "
    "logging.warning logging.error pprint.pprint".split()
)
"""What reads, writes, ends the program, or runs its tests."""


def pieces(text: str) -> list[str]:
    """The runs of whole statements in `text`, in their order."""
    text = without_prompts(text)
    if not text[:1].strip():
        text = textwrap.dedent(text)
    found: list[str] = []
    at, allowance = 0, MAX_PARSED_CHARS
    while allowance > 0 and (start := _CODE_START.search(text, at)):
        lines = text[start.start() :].split("\n")
        tree = parse_prefix(lines)
        allowance -= len(text) - start.start()
        size = sum(map(len, lines)) + len(lines) if tree else 0
        if tree and tree.body:
            found.append("\n".join(lines).strip("\n") + "\n")
        at = max(start.start() + size, start.end())
        at = text.find("\n", at - 1) + 1 or len(text)
    return found


def assemble(parts: Iterable[str], entry_point: str) -> str | None:
    """The program that the pieces make, None where no piece defines the entry point."""
    sources = list(parts)
    trees = [parse(source) or ast.Module([], []) for source in sources]
    having = [i for i, tree in enumerate(trees) if defines(tree, entry_point)]
    if not having:
        return None
    whole = [i for i in having if not is_stub(trees[i], entry_point)]
    chosen = {(whole or having)[-1]}
    missing = free_names(sources[(whole or having)[-1]])
    while missing:
        binding = [
            (i, names & missing)
            for i, tree in enumerate(trees)
            if i not in having and (names := bound_names(*tree.body) | _imports(tree)) & missing
        ]
        if not binding:
            break
        index, names = binding[-1]
        chosen.add(index)
        missing = (missing | free_names(sources[index])) - names
        having.append(index)
    return tidied("\n".join(sources[i] for i in sorted(chosen)), entry_point)


def _imports(tree: ast.Module) -> set[str]:
    """Names that its imports bind, of modules outside the standard library too."""
    return {name for n in tree.body if isinstance(n, _IMPORTS) for name in imported_names(n)}


def prelude(prompt: str, program: str, entry_point: str) -> str:
    """The statements of a prompt (imports, helpers, constants) that `program` lacks; `''` where the
    prompt is no code or nothing lacks."""
    missing = free_names(program)
    if not missing:
        return ""
    stripped = prompt.rstrip()
    bodies = ("", *("\n" + " " * width + "pass" for width in (4, 8)))
    tree = next((tree for body in bodies if (tree := parse(stripped + body))), None)
    if tree is None:
        return ""
    lines = stripped.split("\n")
    kept: list[str] = []
    for node in reversed(tree.body):
        names = bound_names(node) | (imported_names(node) if isinstance(node, _IMPORTS) else set())
        if owner_of(entry_point) in names or not (names & missing or "*" in names):
            continue
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        source = "\n".join(lines[first - 1 : node.end_lineno])
        missing = (missing - names) | free_names(source)
        kept.insert(0, source)
    return "\n".join(kept)


# ---- what is taken away -------------------------------------------------------------------------


def tidied(program: str, entry_point: str) -> str:
    """`program` without the statements at module level that only show it at work:

    - `if __name__ == "__main__":` without `else`;
    - asserts, and what does nothing: expressions without a call, annotations without a value (as
      prose may read: `It is easy`, `Note: this`), a docstring excepted;
    - statements that read, write, end the program, run tests, or call the entry point, in
      themselves or through functions of the program (prints, `main()`, loops over `input()`),
      unless they bind or change something that is used by what stays.

    Comments directly above such a statement go with it. Everything else stays as it was written,
    and all of it does if otherwise the entry point would be lost.
    """
    tree = parse(program)
    if tree is None:
        return program
    gone = _shows(program, tree, entry_point)
    left = ast.Module([node for node in tree.body if node not in gone], [])
    if not gone or not defines(left, entry_point):
        return program.strip("\n") + "\n"
    return _without(program, tree, gone)


def _shows(program: str, tree: ast.Module, entry_point: str) -> list[ast.stmt]:
    functions = {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    lines = program.split("\n")
    spans = (_lines_of(node) for node in tree.body if isinstance(node, _DEFINITIONS))
    used = free_names("\n".join("\n".join(lines[s[0] - 1 : s[-1]]) for s in spans))
    used |= {n for node in ast.walk(tree) if isinstance(node, ast.Global) for n in node.names}
    used.add(owner_of(entry_point))
    modules = {name for n in tree.body if isinstance(n, _IMPORTS) for name in imported_names(n)}
    gone: list[ast.stmt] = []
    for index, node in reversed(list(enumerate(tree.body))):
        match node:
            case ast.Import() | ast.ImportFrom():
                continue
            case _ if isinstance(node, _DEFINITIONS):
                continue
            case ast.If() if _is_main(node.test) and not node.orelse:
                goes = True
            case ast.Assert():
                goes = True
            case ast.Expr(value=ast.Constant()):
                goes = index > 0
            case ast.Expr(value=value) if not _calls(value):
                goes = True
            case ast.AnnAssign(value=None):
                goes = used.isdisjoint(bound_names(node))
            case _:
                code = list(_reached(node, functions, entry_point))
                goes = _acts(code, entry_point) and used.isdisjoint(
                    _touched(code, modules, entry_point)
                )
        if goes:
            gone.append(node)
        else:
            used |= loaded_names(node)
    return gone


def _calls(value: ast.expr) -> bool:
    doing = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)
    return any(isinstance(node, doing) for node in ast.walk(value))


def _is_main(test: ast.expr) -> bool:
    names = {ast.unparse(side) for side in ast.walk(test) if isinstance(side, ast.Name)}
    return (
        isinstance(test, ast.Compare)
        and names == {"__name__"}
        and "__main__" in (ast.unparse(test))
    )


def _reached(
    node: ast.stmt, functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef], entry_point: str
) -> Iterator[ast.AST]:
    """A statement, and the functions it calls, those they call and so on; not the entry point."""
    seen: set[str] = {entry_point}
    todo: list[ast.AST] = [node]
    while todo:
        code = todo.pop()
        yield code
        for inner in ast.walk(code):
            if isinstance(inner, ast.Name) and inner.id not in seen and inner.id in functions:
                seen.add(inner.id)
                todo.append(functions[inner.id])


def _acts(code: list[ast.AST], entry_point: str) -> bool:
    """Whether it reads, writes, ends the program, or calls the entry point."""
    for root in code:
        for node in ast.walk(root):
            match node:
                case ast.Call(func=ast.Name(id=name)) if name in _ACTS or name == entry_point:
                    return True
                case ast.Name(id=name) if name == owner_of(entry_point) and name != entry_point:
                    return True  # the class of `Solution().m`
                case ast.Attribute(value=ast.Name(id=name), attr=attr):
                    if f"{name}.{attr}" in _ACTING_ATTRIBUTES:
                        return True
                case ast.Raise() if root is code[0]:
                    return True
    return False


def _touched(code: list[ast.AST], modules: set[str], entry_point: str) -> set[str]:
    """Module-level names that it binds or may change."""
    touched: set[str] = set()
    for root in code:
        nodes = list(ast.walk(root))
        shared = {name for n in nodes if isinstance(n, ast.Global) for name in n.names}
        local: set[str] = set()
        names = set(shared)
        if isinstance(root, ast.FunctionDef | ast.AsyncFunctionDef):
            local = {n.arg for n in nodes if isinstance(n, ast.arg)} | bound_names(*root.body)
        else:
            names |= bound_names(root)
        for node in nodes:
            match node:
                case ast.Attribute(ctx=ast.Store()) | ast.Subscript(ctx=ast.Store()):
                    names |= _base(node)
                case ast.Call(func=ast.Attribute() as func, args=args):
                    names |= (_base(func) - modules) | _plain_names(args)
                case ast.Call(func=ast.Name(id=name), args=args):
                    if name not in _HARMLESS and name != entry_point:
                        names |= _plain_names(args)
        touched |= names - (local - shared)
    return touched


_HARMLESS = _ACTS | frozenset(
    "len range str repr int float bool list tuple set dict sorted sum min max abs map filter zip "
    "enumerate reversed any all type isinstance round ord chr format".split()
)
"""Functions that change nothing they are given."""


def _plain_names(args: list[ast.expr]) -> set[str]:
    return {arg.id for arg in args if isinstance(arg, ast.Name)}


def _base(node: ast.expr) -> set[str]:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _without(program: str, tree: ast.Module, gone: list[ast.stmt]) -> str:
    """Cut the statements `gone` out of the text, with the comments directly above them."""
    lines = [line.encode() for line in program.split("\n")]
    busy = {n for node in tree.body if node not in gone for n in _lines_of(node)}
    for node in gone:  # from the last to the first
        span = _lines_of(node)
        shared = busy.intersection(span)
        if not shared:
            first = span[0]
            while first > 1 and lines[first - 2].startswith(b"#"):
                first -= 1
            del lines[first - 1 : span[-1]]
            continue
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        before = lines[node.lineno - 1][: node.col_offset]
        after = lines[node.end_lineno - 1][node.end_col_offset :]
        after = after.lstrip(b" \t").removeprefix(b";").lstrip(b" \t")
        lines[node.lineno - 1 : node.end_lineno] = [before + after]
    return b"\n".join(lines).decode().strip("\n") + "\n"


def _lines_of(node: ast.stmt) -> range:
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
    return range(first, (node.end_lineno or first) + 1)
