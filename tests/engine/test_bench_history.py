"""A slowdown shows: the newest figures against a stored baseline."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def history(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(repository))
    monkeypatch.delitem(sys.modules, "bench", raising=False)
    return pytest.importorskip("bench.history")


def report(ratio: float) -> dict[str, Any]:
    ours = {"ours_times_by_cpu": 1.0, "cpu_us_per_row": 700.0}
    peer = {"ours_times_by_cpu": ratio, "cpu_us_per_row": 700.0 * ratio}
    return {"machine": {"taken": "2026-11-29"}, "cases": {"one": {"ours": ours, "fork": peer}}}


@pytest.mark.parametrize(("ratio", "found"), [(2.0, 0), (1.75, 0), (1.65, 1), (3.0, 0), (0.1, 1)])
def test_a_ratio_that_fell_is_named(history: Any, tmp_path: Path, ratio: float, found: int) -> None:
    lines = tmp_path / "history.jsonl"
    history.append(lines, report(2.0))
    baseline = tmp_path / "baseline.json"
    baseline.write_text(json.dumps(history.read(lines)[-1]))
    slower = history.slower(report(ratio), baseline)
    assert len(slower) == found
    assert all("one" in line and "fork" in line and "2.00" in line for line in slower)


def test_what_the_baseline_does_not_have_is_no_slowdown(history: Any, tmp_path: Path) -> None:
    assert history.slower(report(0.1), tmp_path / "none.json") == []
    (tmp_path / "other.json").write_text(json.dumps({"ratios": {"other": {"fork": 9.0}}}))
    assert history.slower(report(0.1), tmp_path / "other.json") == []


def test_the_table_has_a_column_per_run(history: Any, tmp_path: Path) -> None:
    lines = tmp_path / "history.jsonl"
    for ratio in (1.0, 2.0):
        history.append(lines, report(ratio))
    shown = history.table(history.read(lines))
    assert len(shown.columns) == 4
    assert shown.row_count == 1
