"""Where these suites are run by themselves, warnings of other people's packages are shown, and fail
nothing."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Under other tests of ours, which run in the same session, warnings stay errors."""
    folder = Path(__file__).parent
    asked_for = [Path(arg.partition("::")[0]).resolve() for arg in config.args]
    if all(path == folder or folder in path.parents for path in asked_for):
        config.addinivalue_line("filterwarnings", "default")
