"""The examples that need no package but ours run as they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("verl_scores.py", "right        {'score': 1.0"),
        ("nemo_gym_verify.py", "reward 1.0 result [True]"),
        ("matrix_over_servers.py", "1 [1, 2]"),
    ],
)
def test_an_example(server_url: str, name: str, shown: str) -> None:
    command = [sys.executable, str(EXAMPLES / name), server_url]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert shown in ended.stdout
