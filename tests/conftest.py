"""What all tests share: where the repository is, and a machine that is left as it was found."""

from __future__ import annotations

import importlib.util
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# A runner in the background of a shell has SIGINT ignored, and hands that down to every process a
# test starts; the tests of Ctrl-C need it as a terminal has it.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("untimed", deadline=None)  # a busy machine is no failing test
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Stop at once where C and Python are of different commits: nothing would be worth a look."""
    try:
        from sv_sandbox.built import stale
    except ImportError:  # no native module; the tests that need it say so
        return
    if why := stale():
        raise pytest.UsageError(why)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `heavy` need the packages of the loop."""
    missing = [name for name in ("torch", "vllm", "trl") if not importlib.util.find_spec(name)]
    if missing:
        skip = pytest.mark.skip(reason=f"needs `make setup-loop`: no {', '.join(missing)} here")
        for item in items:
            if item.get_closest_marker("heavy"):
                item.add_marker(skip)
