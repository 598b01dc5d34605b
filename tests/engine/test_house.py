"""The house: rooms in order, no arrow upwards, no circle, no sprawl, remedies that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import sv_engine
from sv_engine.config.sections import Config

ROOT = Path(sv_engine.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
ROOMS = [
    *("start", "errors", "cpu", "records", "pocket", "selection", "config"),
    *("problems", "prompts", "generate", "execute", "executors"),
    *("play", "dataset", "train", "evaluate"),
    *(
        "grading",
        "benchmarks",
        "serve",
        "integrations",
        "run",
        "report",
        "commands",
        "cli",
        "start",
    ),
]
"""Each may import those before it. Nouns, the pocket grammar and the selectors know nothing of the
others; after them the configuration, then the stages in the order of the flow."""
MAX_FUNCTION_LINES = 70
MAX_MODULE_LINES = 400
BARE_WORDS = re.compile(r"\b[a-z]+(?:_[a-z0-9]+)+\b")
DOTTED = re.compile(r"\b([a-z]+)\.([a-z_0-9]+)\b")


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def module_of(path: Path) -> str:
    parts = ["sv_engine", *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def imported(path: Path) -> set[str]:
    """Modules of the engine that a module imports when it is imported."""
    found: set[str] = set()
    tree = ast.parse(path.read_text("utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        deepest = [name for name in names if name in MODULES]
        found |= set(deepest[1:] or deepest)
    return found - {"sv_engine"}


def test_every_module_stands_in_a_room_that_has_its_place() -> None:
    assert {room(path) for path in FILES} - {"__init__"} == set(ROOMS)


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_no_arrow_leads_upwards(path: Path) -> None:
    here = room(path)
    if here == "__init__":
        return
    for module in imported(path):
        there = module.split(".")[1]
        assert ROOMS.index(there) <= ROOMS.index(here), f"{module_of(path)} imports {module}"


def test_no_circle() -> None:
    state: dict[str, int] = {}

    def visit(module: str, way: list[str]) -> None:
        assert state.get(module) != 1, f"circle: {' -> '.join([*way, module])}"
        if module in state:
            return
        state[module] = 1
        for other in sorted(imported(MODULES[module])):
            if not module.startswith(f"{other}."):  # a package and its parts are one
                visit(other, [*way, module])
        state[module] = 2

    for module in MODULES:
        visit(module, [])


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_no_module_and_no_function_sprawls(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= MAX_MODULE_LINES
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= MAX_FUNCTION_LINES, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_only_commands_know_the_command_line(path: Path) -> None:
    names = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert "click" not in names or room(path) in ("commands", "cli")


def constant_text(node: ast.expr) -> str:
    """The text of an expression; what is filled in stands as a section."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(constant_text(part) for part in parts)
        case ast.FormattedValue():
            return "sft"
        case _:
            inner = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
            return " ".join(map(constant_text, inner))


def remedies() -> list[tuple[str, str]]:
    """(module, text) of every remedy."""
    found = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "remedy":
                found.append((module_of(path), constant_text(node.value)))
    return found


@pytest.mark.parametrize(("module", "text"), remedies())
def test_a_remedy_names_keys_that_exist(module: str, text: str) -> None:
    sections = {name: set(type(section).model_fields) for name, section in Config()}
    keys = set.union(*sections.values())
    for section, key in DOTTED.findall(text):
        assert section not in sections or key in sections[section], f"no key {section}.{key}"
    undotted = DOTTED.sub("", text)
    for word in BARE_WORDS.findall(undotted):
        assert word not in keys, f"{word} is named without its section"
        known_elsewhere = {"tokenizer_config", "reference_solution", "reference_test"}
        assert word in known_elsewhere or word not in OLD_NAMES, f"{word} is no key"


OLD_NAMES = {"kv_cache_bytes", "gpu_memory_utilization", "tensor_parallel_size", "allow_sleep"}
