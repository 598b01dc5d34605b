"""The pipeline: every cell once, votes, bounds, early stop, failures of each stage."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, cast

import pytest

from sv_engine.config.sections import Execute, Generate, Roles, RoleSet, TestSampling
from sv_engine.execute.sandbox import SandboxFault
from sv_engine.generate import EngineDiedError, GenerationRequest
from sv_engine.play.pipeline import (
    CellRunner,
    GroundTruthError,
    Hooks,
    PipelineStatistics,
    Player,
    play,
)
from sv_engine.prompts.roles import POCKET, RoleTemplates
from sv_engine.records import Outcome, Problem, Recheck, Verdicts

PROBLEMS = [Problem(f"p{k}", f"take the first {k}.", "f") for k in range(1, 13)]
ROLES = Roles(templates=RoleSet.POCKET)
SINGLE = Generate(
    solutions=6,
    tests=5,
    test_sampling=TestSampling.SINGLE,
    problems_in_flight=3,
    max_in_flight=64,
)
TWO_STAGE = SINGLE.model_copy(update={"test_sampling": TestSampling.TWO_STAGE, "derivations": 3})


def write(request: GenerationRequest, index: int) -> str:
    """A player of "take the first k": some programs, inputs and values are wrong."""
    k = int(request.problem_id[1:])
    rng = random.Random(f"{request.problem_id}-{request.role}-{index}-{request.prompt}")
    if request.role == "solve":
        return f"\n    return xs[:{k + rng.choice((0, 0, 1))}]"
    xs = [rng.randint(0, 9) for _ in range(rng.randint(0, 3))]
    value = str([*xs, *xs][:k] if rng.random() < 0.3 else xs[:k])
    if request.role == "verify":
        return f"{xs}) == ({value})"
    argument = request.prompt.partition("assert f(")[2].partition(")")[0]
    return f"{argument[: 1 + 3 * k].rstrip(', ]')}])".replace("[]]", "[]")


def run(
    generator: Any,
    cells: Any,
    generate: Generate,
    problems: list[Problem] = PROBLEMS,
    execute: Execute | None = None,
    roles: Roles = ROLES,
    templates: RoleTemplates = POCKET,
) -> tuple[dict[str, Outcome], PipelineStatistics, list[GenerationRequest]]:
    played: dict[str, Outcome] = {}
    requests: list[GenerationRequest] = []

    def on_outcome(item: Outcome) -> None:
        assert item.problem.id not in played
        played[item.problem.id] = item

    hooks = Hooks(
        on_completion=lambda request, completion: requests.append(request),
        on_outcome=on_outcome,
    )

    async def main() -> PipelineStatistics:
        async with generator:
            player = Player(generator, templates, generate, roles, seed=7)
            return await play(problems, player, cells, execute or Execute(min_cells=4), hooks)

    statistics = asyncio.run(main())
    return played, statistics, requests


Scripted = Callable[[Callable[[GenerationRequest, int], str]], Any]


@pytest.mark.parametrize("generate", [SINGLE, TWO_STAGE])
@pytest.mark.parametrize("min_cells", [1, 8, 10_000])
def test_every_cell_runs_once_and_the_matrix_is_right(
    scripted: Scripted, cells: Any, generate: Generate, min_cells: int
) -> None:
    execute = Execute(min_cells=min_cells)
    played, statistics, _ = run(scripted(write), cells, generate, execute=execute)
    assert set(played) == {p.id for p in PROBLEMS}
    for item in played.values():
        candidates, verdicts = item.candidates, item.tests
        assert sum(s.weight for s in candidates.solutions) == generate.solutions
        for s, solution in enumerate(candidates.solutions):
            for t, test in enumerate(candidates.tests):
                assert verdicts.verdict_ST[s, t] == cells._run(solution.source, test.source)
        assert (verdicts.cpu_us_ST == 100).all()
    # Problems may share programs and tests, so runs are counted over all of them.
    expected = sum(p.tests.verdict_ST.size for p in played.values())
    assert statistics.cells == expected == cells.cells.total()


@pytest.mark.parametrize("generate", [SINGLE, TWO_STAGE])
def test_a_busy_sandbox_runs_each_program_once(
    scripted: Scripted, cells: Any, generate: Generate
) -> None:
    cells.idle = False
    played, statistics, _ = run(scripted(write), cells, generate, execute=Execute(min_cells=1))
    programs = [len(p.candidates.solutions) for p in played.values() if p.candidates.tests]
    assert statistics.rows == sum(programs)
    assert statistics.jobs == len(programs)


def events(scripted: Scripted, cells: Any, late: str, execute: Execute) -> list[str]:
    """Roles of completions and "cells", in their order, where one role is asked to be slow."""

    class Slow(scripted):  # type: ignore[misc, valid-type]
        async def _deliver(self, stream: Any) -> None:
            if stream.request.role == late:
                for _ in range(200):
                    await asyncio.sleep(0)
            await super()._deliver(stream)

    seen: list[str] = []
    hooks = Hooks(
        on_completion=lambda request, completion: seen.append(request.role),
        on_cells=lambda count: seen.append("cells"),
    )

    async def main() -> PipelineStatistics:
        async with Slow(write) as generator:
            player = Player(generator, POCKET, SINGLE, ROLES, seed=7)
            return await play(PROBLEMS[5:6], player, cells, execute, hooks)

    statistics = asyncio.run(main())
    assert statistics.rows == cells.rows.total()
    return seen


def test_programs_that_come_after_the_tests_run_at_once_and_once(
    scripted: Scripted, cells: Any
) -> None:
    seen = events(scripted, cells, "solve", Execute(min_cells=10_000))
    assert seen.index("cells") < len(seen) - 1 - seen[::-1].index("solve")
    assert set(cells.rows.values()) == {1}


def test_an_idle_worker_does_not_wait_for_the_last_test(scripted: Scripted, cells: Any) -> None:
    seen = events(scripted, cells, "verify", Execute(min_cells=1))
    assert seen.index("cells") < len(seen) - 1 - seen[::-1].index("verify")


def test_few_cells_wait_for_the_last_test(scripted: Scripted, cells: Any) -> None:
    seen = events(scripted, cells, "verify", Execute(min_cells=10_000))
    assert seen.index("cells") > len(seen) - 1 - seen[::-1].index("verify")
    assert set(cells.rows.values()) == {1}


def test_idle_workers_are_filled_once(scripted: Scripted) -> None:
    class Stuck:
        """Takes rows and never answers."""

        workers, idle = 2, True
        rows = 0

        async def judge(self, solutions: list[str], *_: object) -> Any:
            self.rows += len(solutions)
            await asyncio.Event().wait()

    stuck = Stuck()
    runner = cast(CellRunner, stuck)

    async def main() -> None:
        async with scripted(write) as generator:
            generate = SINGLE.model_copy(update={"problems_in_flight": 12})
            player = Player(generator, POCKET, generate, ROLES, seed=7)
            await play(
                PROBLEMS,
                player,
                runner,
                Execute(min_cells=1),
                Hooks(on_completion=stop),
            )

    def stop(request: GenerationRequest, completion: Any) -> None:
        if len(asked) == 100:  # before any problem is complete
            raise KeyError("enough")
        asked.append(request)

    asked: list[GenerationRequest] = []
    with pytest.raises(KeyError, match="enough"):
        asyncio.run(main())
    assert 2 <= stuck.rows <= 3  # at most one job above the workers: of one or two rows


def test_matrices_do_not_depend_on_timing(scripted: Scripted, cells: Any) -> None:
    def content(min_cells: int) -> dict[str, Any]:
        execute = Execute(min_cells=min_cells)
        played, _, _ = run(scripted(write), cells, TWO_STAGE, execute=execute)
        return {
            k: {
                (s.source, t.source, s.weight, t.weight, int(p.tests.verdict_ST[i, j]))
                for i, s in enumerate(p.candidates.solutions)
                for j, t in enumerate(p.candidates.tests)
            }
            for k, p in played.items()
        }

    assert content(1) == content(10_000)


def test_votes_decide_and_weigh(scripted: Scripted, cells: Any) -> None:
    values = iter(["[1]", "[1]", "[2]"])

    def player(request: GenerationRequest, index: int) -> str:
        if request.role == "solve":
            return "\n    return xs[:1]"
        if request.role == "verify":  # one call, sampled five times with different values
            return "[1, 2]) == ([9])" if index else "[1, 2]) == ([1])"
        return f"{next(values)})"

    played, _, _ = run(scripted(player), cells, TWO_STAGE, problems=PROBLEMS[:1])
    (item,) = played.values()
    weights = {t.source: t.weight for t in item.candidates.tests}
    # Votes are samples and derivations: [9] has 4 of 8, [1] three, [2] one.
    nine, one, two = (f"assert f([1, 2]) == ([{k}])" for k in (9, 1, 2))
    assert weights == {nine: 4, one: 0, two: 0}
    assert item.evidence.weight_T.tolist() == [weights[t.source] for t in item.candidates.tests]
    for agreement, expected in ((0.6, {nine: 0, one: 0, two: 0}), (0, {nine: 4, one: 3, two: 1})):
        values = iter(["[1]", "[1]", "[2]"])
        generate = TWO_STAGE.model_copy(update={"agreement": agreement})
        played, _, _ = run(scripted(player), cells, generate, problems=PROBLEMS[:1])
        assert {t.source: t.weight for t in played["p1"].candidates.tests} == expected


def test_bounds_hold(scripted: Scripted, cells: Any) -> None:
    generator = scripted(write)
    _, statistics, _ = run(generator, cells, SINGLE, execute=Execute(min_cells=10_000))
    assert 0 < statistics.peak_boards <= 2 * SINGLE.problems_in_flight
    assert generator.statistics.peak_in_flight <= SINGLE.problems_in_flight * 11


def test_enough_stops_the_rest(scripted: Scripted, cells: Any) -> None:
    def distinct(request: GenerationRequest, index: int) -> str:
        return f"\n    return {index}" if request.role == "solve" else f"[{index}]) == ({index})"

    generator = scripted(distinct)
    generate = SINGLE.model_copy(update={"solutions": 50, "tests": 50, "enough_solutions": 4})
    played, _, requests = run(generator, cells, generate, problems=PROBLEMS[:2])
    assert [len(p.candidates.solutions) for p in played.values()] == [4, 4]
    assert [len(p.candidates.tests) for p in played.values()] == [50, 50]
    assert sum(r.role == "solve" for r in requests) == 8
    assert sum(r.n for r in generator.requests) - generator.statistics.finished == 2 * 46


def test_verifier_may_see_the_solution(scripted: Scripted, cells: Any) -> None:
    roles = ROLES.model_copy(update={"verifier_sees": "solution"})
    generator = scripted(write)
    played, _, _ = run(generator, cells, SINGLE, roles=roles)
    asked = [r for r in generator.requests if r.role == "verify"]
    # 5 suites: four for the first program, one for the second
    assert sum(r.n for r in asked) == len(PROBLEMS) * SINGLE.tests
    assert sorted(r.n for r in asked) == [1] * len(PROBLEMS) + [4] * len(PROBLEMS)
    for item in played.values():
        programs = {s.source for s in item.candidates.solutions}
        for prompt in {test.prompt for test in item.candidates.tests}:
            assert any(prompt.startswith(program) for program in programs)


def test_critique_takes_the_place_of_the_tests(scripted: Scripted, cells: Any) -> None:
    def critic(request: GenerationRequest, index: int) -> str:
        return "[1]) == ([1])" if request.role == "critique" else write(request, index)

    generate = SINGLE.model_copy(update={"critique": True})
    played, _, _ = run(scripted(critic), cells, generate)
    for item in played.values():
        assert [t.source for t in item.candidates.tests] == ["assert f([1]) == ([1])"]
        assert item.candidates.tests[0].weight == SINGLE.tests


def test_unreadable_answers_are_counted_and_cost_nothing_else(
    scripted: Scripted, cells: Any
) -> None:
    def mute(request: GenerationRequest, index: int) -> str:
        return "]]" if request.role == "verify" else write(request, index)

    played, _, _ = run(scripted(mute), cells, TWO_STAGE)
    for item in played.values():
        assert item.tests.verdict_ST.shape == (len(item.candidates.solutions), 0)
        assert sum(n for k, n in item.candidates.dropped.items() if k.startswith("test")) == 5


def test_same_seed_asks_the_same(scripted: Scripted, cells: Any) -> None:
    first, second = scripted(write), scripted(write)
    run(first, cells, SINGLE)
    run(second, cells, SINGLE)
    seeds = {(r.problem_id, r.role, r.prompt, r.sampling.seed) for r in first.requests}
    assert seeds == {(r.problem_id, r.role, r.prompt, r.sampling.seed) for r in second.requests}
    assert len({r.sampling.seed for r in first.requests}) == len(first.requests)


def test_ground_truth_is_refused(scripted: Scripted, cells: Any) -> None:
    generator = scripted(write)
    problems = [*PROBLEMS[:2], Problem("p3", "take the first 3.", "f", "def f(xs): ...")]
    with pytest.raises(GroundTruthError, match="p3"):
        run(generator, cells, SINGLE, problems=problems)
    assert not any(r.problem_id == "p3" for r in generator.requests)


def test_a_dying_engine_is_the_one_error(scripted: Scripted, cells: Any) -> None:
    generator = scripted(write)
    generator.fail_after = 9
    with pytest.raises(EngineDiedError, match="the engine died"):
        run(generator, cells, TWO_STAGE)


def test_a_failing_sandbox_is_the_one_error(scripted: Scripted, cells: Any) -> None:
    cells.fail_after = 5
    with pytest.raises(SandboxFault, match="gone"):
        run(scripted(write), cells, TWO_STAGE)


FAST = Execute(cpu_s=0.001)  # what may be run again is bounded in CPU seconds


def test_timeouts_of_an_overload_are_run_again_alone(
    scripted: Scripted, cells: Any, overloaded: Any
) -> None:
    quiet, _, _ = run(scripted(write), cells, SINGLE)
    played, statistics, _ = run(scripted(write), overloaded, SINGLE, execute=FAST)
    for name, item in played.items():
        assert (item.tests.verdict_ST == quiet[name].tests.verdict_ST).all()
    judged = sum(item.tests.verdict_ST.size for item in played.values())
    assert statistics.rechecks == {Recheck.OVERTURNED: judged} != {}
    assert len(overloaded.alone) == judged


def test_what_is_not_doubtful_does_not_wait(
    scripted: Scripted, cells: Any, overloaded: Any
) -> None:
    class Mixed:
        workers, idle = 1, False

        async def judge(
            self,
            solutions: list[str],
            tests: list[str],
            cpu_s: float,
            entry_point: str | None = None,
        ) -> Verdicts:
            inner: CellRunner = overloaded if any("[:1]" in s for s in solutions) else cells
            return await inner.judge(solutions, tests, cpu_s)

    played, _, _ = run(scripted(write), Mixed(), SINGLE, execute=FAST)
    assert list(played)[-1] == "p1"
    assert len(played) == len(PROBLEMS)


def test_nothing_to_play(scripted: Scripted, cells: Any) -> None:
    played, statistics, _ = run(scripted(write), cells, SINGLE, problems=[])
    assert not played
    assert statistics.cells == 0


def test_holes_stay_holes(scripted: Scripted) -> None:
    class Lost:
        workers, idle = 1, True

        async def judge(
            self,
            solutions: list[str],
            tests: list[str],
            cpu_s: float,
            entry_point: str | None = None,
        ) -> Verdicts:
            return Verdicts.unknown(len(solutions), len(tests), cpu_s)

    played, _, _ = run(scripted(write), Lost(), SINGLE)
    assert not any(p.tests.known_ST.any() for p in played.values())
