"""Alarms sound where they should, and not elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from sv_engine.report.alarms import Health, Level, alarms
from sv_engine.report.read import Figure, Record, Samples


def record(**figures: tuple[float, float]) -> Record:
    """A run whose figures went from one value to another."""
    made = Record(Path("run"), "run", True, "b4", "")
    for name, values in figures.items():
        for iteration, value in enumerate(values):
            made.figures.append(Figure(iteration, name, 1.0, value, value - 0.05, value + 0.05, 99))
    return made


def level(found: Record, name: str, health: Health | None = None) -> Level:
    return next(a.level for a in alarms(found, health or Health()) if a.name == name)


@pytest.mark.parametrize(
    ("validity", "kill_rate", "expected"),
    [
        ((0.4, 0.7), (0.6, 0.4), Level.ALARM),
        ((0.4, 0.7), (0.6, 0.58), Level.WATCH),
        ((0.4, 0.7), (0.6, 0.6), Level.OK),
        ((0.4, 0.7), (0.6, 0.7), Level.OK),
        ((0.7, 0.4), (0.6, 0.4), Level.OK),
    ],
)
def test_collusion(
    validity: tuple[float, float], kill_rate: tuple[float, float], expected: Level
) -> None:
    found = record(test_validity=validity, test_kill_rate=kill_rate)
    assert level(found, "collusion") is expected


@pytest.mark.parametrize(
    ("last", "expected"), [(0.9, Level.OK), (0.7, Level.OK), (0.6, Level.WATCH), (0.2, Level.ALARM)]
)
def test_diversity(last: float, expected: Level) -> None:
    assert level(record(code_uniqueness=(0.8, last)), "diversity of programs") is expected
    assert level(record(test_uniqueness=(0.8, last)), "diversity of tests") is expected


@pytest.mark.parametrize(
    ("cut", "expected"), [(0, Level.OK), (2, Level.OK), (5, Level.WATCH), (30, Level.ALARM)]
)
def test_truncated(cut: int, expected: Level) -> None:
    found = record()
    found.samples = [Samples(1, "play", "solve", 100, cut, 900)]
    assert level(found, "truncated samples") is expected


@pytest.mark.parametrize(
    ("dropped", "expected"), [(0, Level.OK), (4, Level.OK), (10, Level.WATCH), (50, Level.ALARM)]
)
def test_unreadable(dropped: int, expected: Level) -> None:
    assert level(record(), "unreadable samples", Health(samples=100, dropped=dropped)) is expected


@pytest.mark.parametrize(
    ("flipped", "expected"), [(0, Level.OK), (1, Level.WATCH), (200, Level.ALARM)]
)
def test_flips(flipped: int, expected: Level) -> None:
    assert level(record(), "flip rate", Health(repeated=1000, flipped=flipped)) is expected


@pytest.mark.parametrize(
    ("holes", "expected"), [(0, Level.OK), (20, Level.WATCH), (200, Level.ALARM)]
)
def test_holes(holes: int, expected: Level) -> None:
    assert level(record(), "holes", Health(cells=1000, holes=holes)) is expected


def test_what_is_not_known_is_said_and_the_loudest_come_first() -> None:
    found = alarms(record(code_uniqueness=(0.8, 0.1)), Health())
    assert found[0].level is Level.ALARM
    assert {alarm.level for alarm in found[1:]} == {Level.UNKNOWN}
