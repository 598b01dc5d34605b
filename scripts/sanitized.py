"""Run pytest with the extension at a path in the place of the installed one: `make sanitize`."""

import importlib.machinery
import importlib.util
import sys

import pytest

import sv_sandbox

NAME = "sv_sandbox._native"
loader = importlib.machinery.ExtensionFileLoader(NAME, sys.argv[1])
spec = importlib.util.spec_from_file_location(NAME, sys.argv[1], loader=loader)
assert spec is not None
native = importlib.util.module_from_spec(spec)
loader.exec_module(native)
sys.modules[NAME] = native
sv_sandbox._native = native  # type: ignore[attr-defined]
sys.exit(pytest.main(sys.argv[2:]))
