"""Rows come once each while one of three servers is cut off the network, and after it is back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra `serve`")
SCRIPT = Path(__file__).with_name("cut_off.py")
APART = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "-r", "--net"]


def without_namespaces() -> str:
    """Why no network can be made here; empty where one can."""
    missing = [tool for tool in ("unshare", "nsenter", "ip") if shutil.which(tool) is None]
    if missing:
        return f"{missing[0]} is not installed"
    link = ["ip", "link", "add", "sv0", "type", "veth", "peer", "name", "up"]
    tried = subprocess.run([*APART, *link], capture_output=True, text=True)
    return tried.stderr.strip()


@pytest.fixture(scope="module")
def acts() -> list[dict[str, Any]]:
    reason = without_namespaces()
    if reason:
        pytest.skip(f"no network of our own can be made here: {reason}")
    command = [*APART, sys.executable, str(SCRIPT)]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    acts: list[dict[str, Any]] = json.loads(told.stdout)
    return acts


@pytest.mark.parametrize("at", [0, 1, 2], ids=["all in reach", "one cut off", "it is back"])
def test_every_row_comes_once(acts: list[dict[str, Any]], at: int) -> None:
    rows = sorted(acts[at]["rows"])
    assert rows == [[n, [1, 2] if n % 2 else [2, 1]] for n in range(600)]
    assert all(acts[at]["blocks"]), "each server had its share"
