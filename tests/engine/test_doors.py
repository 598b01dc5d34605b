"""Three doors: vLLM behind `generate`, the sandbox behind `execute`, torch behind `train`.

`executors` reaches the sandbox too: what `execute` asks for, in rows, here or on servers. A module
of `integrations` imports the framework of its name.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sv_engine

ROOT = Path(sv_engine.__file__).parent
DOORS = {
    "generate": {"vllm"},
    "execute": {"sv_sandbox"},
    "train": {"torch", "transformers", "trl", "peft", "datasets", "accelerate"},
}
SHARED = {
    "transformers": {"generate"},
    "torch": {"generate", "integrations", "report"},
    "sv_sandbox": {"executors"},
}
"""vLLM in this process brings both with it; chat templates are needed on both sides. Rewards of
OpenRLHF are tensors, and the writer of TensorBoard's files comes with torch."""

BLOCKED_IMPORT = """
import importlib, pkgutil, sys
for name in {blocked!r}:
    sys.modules[name] = None
package = importlib.import_module({package!r})
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not module.name.endswith("vllm_worker"):  # runs inside vLLM's own process
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            room, _, framework = module.name.removeprefix("sv_engine.").partition(".")
            if room != "integrations" or not error.name.startswith(framework):
                raise
"""


def packages() -> list[str]:
    return sorted(p.parent.name for p in ROOT.glob("*/__init__.py"))


@pytest.mark.parametrize("package", packages())
def test_each_package_is_imported_without_what_other_doors_need(package: str) -> None:
    blocked = {name for door, names in DOORS.items() if door != package for name in names}
    if package in ("commands", "play", "run", "evaluate", "dataset"):
        blocked -= DOORS["execute"]  # they use the sandbox through its door
    script = BLOCKED_IMPORT.format(blocked=sorted(blocked), package=f"sv_engine.{package}")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def imported_names(file: Path) -> set[str]:
    """First parts of all imports of a module, those inside functions included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("door", DOORS)
def test_only_a_door_imports_what_is_behind_it(door: str) -> None:
    for file in ROOT.rglob("*.py"):
        room = file.relative_to(ROOT).parts[0]
        for name in DOORS[door] & imported_names(file):
            assert room == door or room in SHARED.get(name, ()), f"{file} imports {name}"
