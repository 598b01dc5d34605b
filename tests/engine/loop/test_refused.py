"""A prompt that the model cannot be asked costs itself and not the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.engine.loop.conftest import ScriptedGenerator
from tests.engine.loop.test_loop import ScriptedTrainer, column, play, write

from sv_engine.generate import GenerationRequest, PromptError
from sv_engine.generate.streams import Stream
from sv_engine.run.journalled import MAX_REFUSED
from sv_engine.run.summary import summarise


class Refusing(ScriptedGenerator):
    """Refuses the requests that `refuses` names; on some, after the first sample."""

    def __init__(self, refuses: Any, late: bool = False) -> None:
        super().__init__(write)
        self.refuses = refuses
        self.late = late
        self.refused: set[tuple[str, str]] = set()

    async def _start(self, stream: Stream) -> None:
        request = stream.request
        if self.refuses(request):
            self.refused.add((request.problem_id, request.role))
            error = PromptError("too long", where=f"problem {request.problem_id}, {request.role}")
            if not self.late:
                raise error
            await super()._start(stream)
            stream.handle.add_done_callback(lambda _: stream.end(error))
            return
        await super()._start(stream)


def of_role(role: str, stage: str = "play") -> Any:
    """The first problem that is asked in this role."""
    seen: list[str] = []

    def refuses(request: GenerationRequest) -> bool:
        if request.role == role and stage in request.label:
            seen.append(request.problem_id)
            return request.problem_id == seen[0]
        return False

    return refuses


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("role", "stage"),
    [("solve", "play"), ("verify", "play"), ("derive", "play"), ("solve", "heldout"),
     ("verify", "heldout")],
)  # fmt: skip
def test_a_refused_prompt_is_dropped_named_and_counted(
    tmp_path: Path, cells: Any, role: str, stage: str, late: bool
) -> None:
    generator = Refusing(of_role(role, stage), late)
    reports, config, watcher = play(tmp_path, generator, cells, ScriptedTrainer())
    assert len(reports) == 3
    assert generator.refused
    named = [message for report in reports for message in report.refused]
    if not late:
        assert {problem for problem, _ in generator.refused} == {
            message.partition("problem ")[2].partition(",")[0] for message in named
        }
        assert len(watcher.notes) == len(named)
        summary = summarise(config, reports, 0, 0)
        counts = [i["refused"]["count"] for i in summary["iterations"]]
        assert sum(counts) == len(named) == len(column(tmp_path, "SELECT message FROM refusal"))


def test_describe_goes_on_without_a_refused_snippet(tmp_path: Path, cells: Any) -> None:
    generator = Refusing(lambda r: r.role == "describe" and r.problem_id == "describe-3")
    settings = ('problems.source="describe"', "run.iterations=1")
    reports, _, _ = play(tmp_path, generator, cells, ScriptedTrainer(), *settings)
    assert len(reports[1].refused) == 1
    assert reports[1].played["problems"] == 8


def test_what_was_refused_is_not_asked_again_by_a_resumed_run(tmp_path: Path, cells: Any) -> None:
    first = Refusing(of_role("verify"))
    before, _, _ = play(tmp_path, first, cells, ScriptedTrainer(), "run.iterations=1")
    again = Refusing(lambda _: False)
    after, _, _ = play(tmp_path, again, cells, ScriptedTrainer(), "run.iterations=1")
    assert not again.requests
    assert [r.refused for r in after] == [r.refused for r in before]
    assert repr([r.figures for r in after]) == repr([r.figures for r in before])


def test_refusals_without_an_answer_end_the_run(tmp_path: Path, cells: Any) -> None:
    generator = Refusing(lambda _: True)
    with pytest.raises(PromptError, match="too long"):
        play(tmp_path, generator, cells, ScriptedTrainer(), "evaluate.problems=20")
    assert len(generator.refused) >= MAX_REFUSED
