"""How long a run still takes: a pure function of what its phases took.

A phase that was measured takes as long the next time. One that was not takes as long as its work,
in completions at most, at the rate of those that were; while nothing is measured nothing is said.
Where samples come from a recording, completions cost nothing and training what it always does, so
there no phase tells of another kind. What is found in the journal took the seconds of the process
that made it: they count with those of this one.
The first part of a phase says little about its rate: many problems are in flight and none is done.
"""

from __future__ import annotations

from sv_engine.config.sections import Backend, Config
from sv_engine.run.budget import completions_of_evaluation, completions_of_play

ENOUGH = 0.05
"""Share of a phase from which on its rate is believed."""
EVALUATION_WEIGHT = 2.0
"""What a completion of an evaluation takes, beside one of the bound of play: banks of wrong
programs run too, and play stays below its bound. In the default run evaluation takes half as long
as play, with a quarter of the completions."""
TRAIN_SHARE = 0.4
"""Wall time of training in the default run, as a share of that of playing."""


class Forecast:
    """Told of each phase as it begins and goes on; times are seconds on one clock."""

    def __init__(self, config: Config) -> None:
        play = sum(completions_of_play(config).values())
        self._work = {
            "play": float(play),
            "sft": TRAIN_SHARE * play / 2,
            "dpo": TRAIN_SHARE * play / 2,
            "evaluate": EVALUATION_WEIGHT * completions_of_evaluation(config),
        }
        self._tells_of_others = config.generate.backend is not Backend.RECORDED
        stages = {"sft": config.sft.enabled, "dpo": config.dpo.enabled}
        self._stages = [name for name, is_on in stages.items() if is_on]
        again = ["play", *self._stages, "evaluate"]
        self._next = ["evaluate", *again * config.run.iterations]
        self._took_s: dict[str, float] = {}
        self._phase = ""
        self._start_s = 0.0
        self._share = 0.0

    def begin(self, name: str, now_s: float, spent_s: float = 0.0) -> None:
        """A phase begins: `iteration 1: play`. spent_s: what earlier processes took for it."""
        phase, took_s = name.rpartition(": ")[2], now_s - self._start_s
        if self._phase in self._work:
            self._took_s[self._phase] = took_s
        elif self._phase == "benchmarks":  # a part of the evaluation
            self._took_s["evaluate"] += took_s
        elif self._phase == "train" and phase not in self._stages:  # it was found
            self._took_s |= dict.fromkeys(self._stages, took_s / len(self._stages))
        self._phase, self._start_s, self._share = phase, now_s - spent_s, 0.0
        if phase in self._next:
            place = self._next.index(phase)
            for skipped in self._next[:place]:  # a stage that had nothing to train on
                self._took_s.setdefault(skipped, 0.0)
            del self._next[: place + 1]

    def advance(self, share: float) -> None:
        """So much of the phase is done."""
        self._share = min(share, 1.0)

    def left_s(self, now_s: float) -> float | None:
        """Seconds that the run still takes; None while nothing tells, as of a trainer that has not
        reported a step: how long it takes to start is not known."""
        if self._phase == "train":
            return None
        rest = [self._rest_s(now_s), *(self._whole_s(phase, now_s) for phase in self._next)]
        known = [seconds for seconds in rest if seconds is not None]
        return sum(known) if len(known) == len(rest) else None

    def _rest_s(self, now_s: float) -> float | None:
        if self._phase not in self._work:
            return 0.0
        elapsed_s, rest = now_s - self._start_s, 1 - self._share
        whole_s = self._whole_s(self._phase, now_s)
        if self._phase not in self._took_s and self._share >= ENOUGH:
            return elapsed_s * rest / self._share
        # What was expected for the rest; less, where time has passed and nothing is done yet.
        return whole_s and (rest * whole_s if self._share else max(0.0, whole_s - elapsed_s))

    def _whole_s(self, phase: str, now_s: float) -> float | None:
        if phase in self._took_s:
            return self._took_s[phase]
        if not self._tells_of_others:
            return None
        seconds = sum(self._took_s.values())
        work = sum(self._work[name] for name in self._took_s)
        if not seconds and self._phase in self._work and self._share >= ENOUGH:
            seconds, work = now_s - self._start_s, self._share * self._work[self._phase]
        return self._work[phase] * seconds / work if work else None
