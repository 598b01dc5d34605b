"""Keeps pytest's hands off the corpus: its programs run in the sandbox and nowhere else.

Many files here are called test_*.py, because that is what they are to the sandbox. Importing one
would run an attack on this machine, so collecting any of them is an error, even when named.
"""

from __future__ import annotations

from pathlib import Path

import pytest

collect_ignore_glob = ["*"]


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module:
    """Refuse before the import: hooks of this folder see only modules below it."""
    raise pytest.UsageError(
        f"{module_path}: corpus programs run only in the sandbox;"
        " use `pytest tests/sandbox/test_corpus.py -k <case>`"
    )
