"""What the code of a test says, read without running it: what it uses of the solution, what it gets
from us instead, and what of an answer it may be trusted with."""

from __future__ import annotations

import ast
import dis
import functools
import importlib
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from types import CodeType, TracebackType
from typing import Any

from . import codec, plan

MODULES = frozenset((*sys.stdlib_module_names, "numpy"))
STREAMS = ("builtins.input", "builtins.print", "sys.stdin", "sys.stderr")
"""What of Python's own the subject gets from the test, where the test replaces it."""
_UNPICKLE = frozenset(("pickle", "marshal", "shelve", "dill", "cloudpickle"))
_SHARED: dict[str, frozenset[str] | None] = {
    **dict.fromkeys(("open", "tempfile", "shutil", "environ", "putenv", "argv"), None),
    "os": frozenset("environ putenv mkdir makedirs chdir remove unlink rmdir rename".split()),
    "sys": frozenset(("argv",)),
    "warnings": frozenset(("catch_warnings",)),
    "logging": frozenset(("getLogger", "root", "basicConfig")),
    **dict.fromkeys(
        ("NamedTemporaryFile", "TemporaryDirectory", "mkdtemp", "mkstemp", "getLogger"), None
    ),
}
"""What a test and a solution share in one process and nowhere else: files, environment, arguments,
warnings and logs. By the name, and what is read of it (None: whatever it is)."""
_SHARED_ATTRIBUTES = frozenset(
    "write_text write_bytes read_text read_bytes touch assertWarns assertLogs assertNoLogs".split()
)


class TestCode:
    """One test. Raises SyntaxError and ValueError, as `compile` does."""

    def __init__(self, source: bytes):
        self.source = source
        self.code = compile(source, "<test>", "exec", dont_inherit=True)
        self._codes = list(codes(self.code))
        self.names = {name for one in self._codes for name in one.co_names}
        """All that it speaks of: names, attributes, modules."""

    def needs_one_process(self) -> str:
        """Why it can only be judged in one process with the solution; empty for almost all."""
        if "patch" in self.names and self._patched():
            return "the test patches a module"
        evaluates = self.names & {"eval", "exec"} and self._reads.keys() & {"eval", "exec"}
        unpickles = self.names & _UNPICKLE and self.names & {"load", "loads"}
        if evaluates or unpickles or "get_type_hints" in self.names:
            return "the test may run an answer as code"
        if self._shares():
            return "the test shares files, environment, warnings or logs with the solution"
        return ""

    def _shares(self) -> bool:
        if self.names & _SHARED_ATTRIBUTES:
            return True
        for name in self.names & _SHARED.keys() & self._reads.keys():
            of = _SHARED[name]
            if of is None or any(word in of for word in self._reads[name]):
                return True
        return False

    def _patched(self) -> set[str]:
        """Names in modules that it may patch. What it feeds to `input` and the standard streams
        needs no patch in the subject."""
        texts = {const for one in self._codes for const in one.co_consts if type(const) is str}
        patched = {text for text in texts if text.partition(".")[0] in MODULES and "." in text}
        return patched - {*STREAMS, "sys.stdout"}

    def wanted(self) -> tuple[list[str], list[str]]:
        """Names that it may use of a solution: those that Python does not define, and those of
        built-in functions and types."""
        return (
            sorted(name for name in self.names if not plan.is_builtin(name)),
            sorted(name for name in self.names if name in codec.BUILTINS or name in plan.ENDS),
        )

    def ours(self, loaded: Mapping[str, Any]) -> dict[str, Any]:
        """Of the names that the solution defines, those that the test gets from us all the same.

        A name that the test reads only what a module has of, is our own copy of that module. A tool
        to compare with is ours where the test uses something else of the solution, which then is
        what is tested. So a solution that calls something else `math` or `isclose` judges nothing.
        """
        found = {}
        for name in loaded:
            full = "numpy" if name == "np" else name
            if full in MODULES and all(self._reads.get(name, [None])):
                module = module_called(full)
                if all(hasattr(module, str(word)) for word in self._reads[name]):
                    found[name] = module
        tools = [name for name in loaded if name in plan.TOOLS]
        if len(found) + len(tools) < len(loaded):
            for name in tools:
                found[name] = getattr(module_called(plan.TOOLS[name]), name, None) or loaded[name]
        return found

    @functools.cached_property
    def _reads(self) -> dict[str, list[str | None]]:
        """Each name that it reads, with the attribute that is read of it at once, if any."""
        used: dict[str, list[str | None]] = {}
        for one in self._codes:
            steps = [s for s in dis.get_instructions(one) if s.opname not in ("CACHE", "NOP")]
            for step, following in zip(steps, [*steps[1:], None], strict=True):
                if step.opname in ("LOAD_NAME", "LOAD_GLOBAL"):
                    read = following is not None and following.opname in _ATTRIBUTES
                    attribute = following.argval if read and following is not None else None
                    used.setdefault(step.argval, []).append(attribute)
        return used

    def streams(self) -> list[str]:
        """Of `STREAMS`, those that it may replace."""
        words = {word for one in self._codes for word in (*one.co_names, *one.co_consts) if word}
        words = {str(word).rpartition(".")[2] for word in words if type(word) is str}
        words = {word.removeprefix("redirect_") for word in words}
        return [name for name in STREAMS if name.partition(".")[2] in words]

    @functools.cached_property
    def binds(self) -> set[str]:
        """Global names that it assigns to itself."""
        stores = ("STORE_NAME", "STORE_GLOBAL")
        steps = (step for one in self._codes for step in dis.get_instructions(one))
        return {step.argval for step in steps if step.opname in stores}

    @functools.cached_property
    def _nodes(self) -> list[ast.AST]:
        return list(ast.walk(ast.parse(self.source)))

    @functools.cached_property
    def tests_objects(self) -> bool:
        """Whether it treats what a call gives as an object: uses attributes (of more than modules
        and its own lists), sets items, enters it, asks for its class, compares with a new one. Else
        `Average([1]) - 2.5` is a number."""
        return any(_treats_as_object(node, self._own_names) for node in self._nodes)

    @functools.cached_property
    def _own_names(self) -> set[str]:
        """Names that hold modules, or lists and the like as they are written, and nothing else."""
        names = [node for node in self._nodes if isinstance(node, ast.Name)]
        bound = Counter(name.id for name in names if isinstance(name.ctx, ast.Store))
        bound.update(node.arg for node in self._nodes if isinstance(node, ast.arg))
        written = Counter(
            target.id
            for node in self._nodes
            if isinstance(node, ast.Assign) and isinstance(node.value, _WRITTEN)
            for target in node.targets
            if isinstance(target, ast.Name)
        )
        imports = [node for node in self._nodes if isinstance(node, ast.Import)]
        modules = {alias.asname or alias.name for node in imports for alias in node.names}
        modules |= {*MODULES, "np"}
        return (modules - bound.keys()) | {name for name in written if written[name] == bound[name]}

    def skips_an_assertion(self, trace: TracebackType | None, called: Any = None) -> bool:
        """Whether to swallow an exception at the end of a `with` block passes over assertions:
        those of the block, or of functions called in it, that come with or after what raised.

        `trace` is what `__exit__` gets: its first entry is in the block, the others are deeper.
        With `called`, a function of the test's, all entries are in functions; there may be none,
        where its arguments did not fit.
        """
        lines = []
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == "<test>":
                lines.append(trace.tb_lineno)
            trace = trace.tb_next
        code = getattr(called, "__code__", None)  # of a bound method, too
        if not lines and code is not None:
            lines = [code.co_firstlineno]
        return any(
            _asserts_later(node, line)
            for depth, line in enumerate(lines)
            for node in self._nodes
            if isinstance(node, _FUNCTIONS if depth or called else _BLOCKS) and _spans(node, line)
        )


def codes(code: CodeType) -> Iterator[CodeType]:
    """A code object and those in it."""
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from codes(const)


def module_called(name: str) -> Any:
    """Our own copy of a module; None for what is none of the standard library's or NumPy's."""
    top = name.partition(".")[0]
    if top not in MODULES or (top == "numpy" and top not in sys.modules):
        return None
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _treats_as_object(node: ast.AST, own: set[str]) -> bool:
    if isinstance(node, ast.Attribute):
        of = node.value
        return not (isinstance(of, _WRITTEN) or (isinstance(of, ast.Name) and of.id in own))
    if isinstance(node, ast.Subscript):
        return not isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        shown = node.func.id in ("repr", "str", "list", "tuple") and any(
            _makes(inner) for arg in node.args for inner in ast.walk(arg)
        )
        return shown or node.func.id in ("isinstance", "hasattr")
    if isinstance(node, ast.Compare):  # with what a class makes: `v * 2 == Vec(2, 4)`
        return any(
            _makes(other) and not isinstance(how, ast.In | ast.NotIn)
            for how, other in zip(node.ops, node.comparators, strict=True)
        )
    return isinstance(node, ast.With | ast.AsyncWith)


def _makes(node: ast.AST) -> bool:
    """Whether this is a call by a class's name."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return False
    return is_class_name(node.func.id)


def is_class_name(name: str) -> bool:
    """`Stack`, not `stack` and not `Find_Area`."""
    return name[:1].isupper() and "_" not in name


_WRITTEN = (ast.Constant, ast.JoinedStr, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.ListComp)
_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR")
_BLOCKS = (ast.With, ast.AsyncWith)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)


def _spans(node: Any, line: int) -> bool:
    decorators = (decorator.lineno for decorator in getattr(node, "decorator_list", ()))
    return bool(min((node.lineno, *decorators)) <= line <= (node.end_lineno or node.lineno))


def _asserts_later(block: ast.AST, line: int) -> bool:
    inner = list(ast.walk(block))
    # A loop comes round again.
    loops = [node.lineno for node in inner if isinstance(node, _LOOPS) and _spans(node, line)]
    since = min([line, *loops])
    return any(
        _is_assertion(node) and (node.end_lineno or 0) >= since  # type: ignore[attr-defined]
        for node in inner
    )


def _is_assertion(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        return "assert" in name or name in ("check", "fail")
    return isinstance(node, ast.Assert)
