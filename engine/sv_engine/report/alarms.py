"""What to worry about: pure functions of a record's figures and of counts of its cells.

Each alarm is always there with the figures behind it, so that a quiet page says what was looked
at. `WATCH` and `ALARM` are thresholds, written beside the rule they belong to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from sv_engine.report.read import Figure, Record


class Level(StrEnum):
    """How loud."""

    OK = "ok"
    WATCH = "watch"
    ALARM = "alarm"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that was looked at."""

    level: Level
    name: str
    text: str


@dataclass(slots=True)
class Health:
    """What the cells of all problems add up to."""

    cells: int = 0
    holes: int = 0
    held: int = 0
    repeated: int = 0
    flipped: int = 0
    samples: int = 0
    """Of both roles, readable or not, as far as dropped ones were counted."""
    dropped: int = 0
    """Samples that gave no program or test."""


def alarms(record: Record, health: Health) -> list[Alarm]:
    """All of them, the loudest first."""
    found = [_collusion(record), *_diversity(record), _unreadable(record, health)]
    found += [_truncated(record), _flips(health), _holes(health)]
    order = [Level.ALARM, Level.WATCH, Level.OK, Level.UNKNOWN]
    return sorted(found, key=lambda alarm: order.index(alarm.level))


def _ends(record: Record, name: str) -> tuple[Figure, Figure] | None:
    """The first and the last value of a figure at the headline temperature."""
    found = [f for f in record.figures if f.name == name and f.temperature == record.headline]
    return (found[0], found[-1]) if len(found) > 1 else None


def _collusion(record: Record) -> Alarm:
    """Tests that hold more often because they reject less: the roles please each other.

    Alarm where validity rises while the kill rate falls by more than its interval; watch where the
    fall is within it.
    """
    name, valid, kills = (
        "collusion",
        _ends(record, "test_validity"),
        _ends(record, "test_kill_rate"),
    )
    if valid is None or kills is None:
        return Alarm(Level.UNKNOWN, name, "needs two iterations with held-out tests")
    text = (
        f"test validity {valid[0].value:.3f} to {valid[1].value:.3f}, "
        f"kill rate {kills[0].value:.3f} to {kills[1].value:.3f}"
    )
    if valid[1].value <= valid[0].value or kills[1].value >= kills[0].value:
        return Alarm(Level.OK, name, text)
    beyond = kills[1].high < kills[0].value
    return Alarm(Level.ALARM if beyond else Level.WATCH, name, text)


def _diversity(record: Record) -> Iterator[Alarm]:
    """Distinct texts among the samples, last iteration over base: watch below 80%, alarm below
    50%."""
    for role, name in (("programs", "code_uniqueness"), ("tests", "test_uniqueness")):
        ends = _ends(record, name)
        if ends is None:
            yield Alarm(Level.UNKNOWN, f"diversity of {role}", "needs two iterations")
            continue
        left = ends[1].value / ends[0].value if ends[0].value else 1.0
        text = f"distinct {role} / samples {ends[0].value:.3f} to {ends[1].value:.3f}"
        level = Level.ALARM if left < 0.5 else Level.WATCH if left < 0.8 else Level.OK
        yield Alarm(level, f"diversity of {role}", text)


def _unreadable(record: Record, health: Health) -> Alarm:
    """Samples without a program or test: watch above 5%, alarm above 20%."""
    name = "unreadable samples"
    parsed = [f for f in record.figures if f.name == "test_parse_rate"]
    shares = {}
    if health.samples:
        shares["of what was judged"] = health.dropped / health.samples
    if parsed:
        shares["held-out tests of the last iteration"] = 1 - parsed[-1].value
    if not shares:
        return Alarm(Level.UNKNOWN, name, "no sample was counted")
    text = ", ".join(f"{share:.1%} {what}" for what, share in shares.items())
    return Alarm(_level(max(shares.values()), 0.05, 0.2), name, text)


def _truncated(record: Record) -> Alarm:
    """Samples that ended at the limit on tokens: watch above 2% of a role, alarm above 10%."""
    name = "truncated samples"
    if not record.samples:
        return Alarm(Level.UNKNOWN, name, "only a run knows how its samples ended")
    worst = max(record.samples, key=lambda s: s.truncated / max(1, s.count))
    total, cut = sum(s.count for s in record.samples), sum(s.truncated for s in record.samples)
    share = worst.truncated / max(1, worst.count)
    text = f"{cut:,} of {total:,} samples"
    if cut:
        where = f"{worst.role}, {worst.stage}, iteration {worst.iteration}"
        text += f"; most in {where}: {share:.1%}"
    return Alarm(_level(share, 0.02, 0.1), name, text)


def _flips(health: Health) -> Alarm:
    """Passes that did not pass again under another seed: watch above 0, alarm above 1%."""
    name = "flip rate"
    if not health.repeated:
        return Alarm(Level.UNKNOWN, name, "no pass was run twice (`exec --confirm`)")
    share = health.flipped / health.repeated
    text = f"{health.flipped:,} of {health.repeated:,} passes did not pass again ({share:.2%})"
    return Alarm(_level(share, 0.0, 0.01), name, text)


def _holes(health: Health) -> Alarm:
    """Cells that tell nothing, held-back passes among them: watch above 1%, alarm above 10%."""
    name = "holes"
    if not health.cells:
        return Alarm(Level.UNKNOWN, name, "no cell was judged")
    share = health.holes / health.cells
    text = f"{health.holes:,} of {health.cells:,} cells ({share:.1%})"
    text += f"; {health.held:,} passes held back for want of trust"
    return Alarm(_level(share, 0.01, 0.1), name, text)


def _level(share: float, watch: float, alarm: float) -> Level:
    return Level.ALARM if share > alarm else Level.WATCH if share > watch else Level.OK
