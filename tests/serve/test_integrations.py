"""The adapters, as far as they need no package but ours; `contract/` has the others."""

from __future__ import annotations

import asyncio
import inspect
import multiprocessing
import pickle
from types import SimpleNamespace
from typing import Any

import pytest

from sv_engine.integrations import areal, slime, trl, verl
from sv_engine.integrations.code_eval import CodeEval, pass_at_k
from sv_engine.integrations.scorer import NotJudgedError, Scored, Scorer

RIGHT = "```python\ndef f(x):\n    return x + 1\n```"
WRONG = "```python\ndef f(x):\n    return x\n```"
LEAVES = "```python\nimport os\nos._exit(0)\n```"
TESTS = ["assert f(1) == 2", "assert f(2) == 3"]
HALF = "```python\ndef f(x):\n    return 2\n```"
NO_SERVER = "http://127.0.0.1:9"
"""Nobody listens at this port."""


@pytest.fixture(scope="module", params=["local", "server"])
def target(request: pytest.FixtureRequest) -> str:
    return "local" if request.param == "local" else request.getfixturevalue("server_url")


@pytest.mark.parametrize(
    ("truth", "right"),
    [
        (TESTS, 1.0),
        ("assert f(1) == 2", 1.0),
        ({"inputs": ["1", "2"], "outputs": ["2", "3"], "fn_name": "f"}, 1.0),
        ('{"inputs": [[1]], "outputs": [[2]], "fn_name": "f"}', 1.0),
        ({"assert_case": TESTS}, 1.0),
        ([{"input": "1", "output": "2", "testtype": "functional", "fn_name": "f"}], 1.0),
        ({"test": "def check(c):\n    assert c(1) == 2\n", "entry_point": "f"}, 1.0),
        ({"tests": '{"inputs": ["1"], "outputs": ["2"], "fn_name": "f"}'}, 1.0),
        ({"language": "python", "test_cases": [{"input": "", "output": ""}]}, 1.0),
    ],
)
def test_every_shape_of_ground_truth(target: str, truth: Any, right: float) -> None:
    scorer = Scorer(target=target)
    assert scorer.score_now(RIGHT, truth).score == right
    if truth != {"language": "python", "test_cases": [{"input": "", "output": ""}]}:
        assert scorer.score_now(WRONG, truth).score == 0.0
        assert scorer.score_now(LEAVES, truth).score == 0.0
    scorer.close()


@pytest.mark.parametrize("truth", [None, 3, {}, {"a": 1}, [], [3], "", {"inputs": [1]}])
def test_a_ground_truth_of_no_known_shape_is_a_hole(truth: Any) -> None:
    scored = Scorer().score_now(RIGHT, truth)
    assert scored.score is None
    assert "ground truth" in scored.detail


def test_the_share_of_tests_passed(target: str) -> None:
    scorer = Scorer(target=target, partial=True)
    assert scorer.score_now(HALF, TESTS) == Scored(0.5, 1, 2, "test 2: AssertionError: got 2")
    scorer.close()


def test_without_a_server_there_is_no_score() -> None:
    scorer = Scorer(target=NO_SERVER, deadline_s=1.0)
    scored = scorer.score_now(RIGHT, TESTS)
    assert scored.score is None
    with pytest.raises(NotJudgedError):
        _ = scored.known
    scorer.close()


def test_a_scorer_serves_every_loop_and_thread(target: str) -> None:
    scorer = Scorer(target=target)
    for _ in range(2):
        assert asyncio.run(scorer.score_all([RIGHT, WRONG], [TESTS, TESTS]))[0].score == 1.0
    assert scorer.score_now(RIGHT, TESTS).score == 1.0
    scorer.close()


def _in_a_child(reward: trl.Reward, queue: Any) -> None:
    queue.put(asyncio.run(reward([""], [RIGHT], tests=[TESTS])))
    reward.scorer.close()


def test_trl_reward_works_in_a_spawned_process() -> None:
    reward = trl.Reward()
    assert asyncio.run(reward([""], [RIGHT], tests=[TESTS])) == [1.0]
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=_in_a_child, args=(reward, queue))
    child.start()
    assert queue.get(timeout=120) == [1.0]
    child.join()
    reward.scorer.close()


def test_trl_reward_logs_and_leaves_holes_out() -> None:
    extra: dict[str, list[str]] = {}
    metrics: dict[str, float] = {}
    arguments: dict[str, Any] = {
        "prompts": ["a", "b", "c"],
        "completions": [[{"role": "assistant", "content": RIGHT}], WRONG, RIGHT],
        "completion_ids": [[1], [2], [3]],
        "tests": [TESTS, TESTS, None],
        "other": [1, 2, 3],
        "trainer_state": object(),
        "log_extra": extra.__setitem__,
        "log_metric": metrics.__setitem__,
    }
    reward, plain = trl.Reward(), trl.SyncReward()
    assert asyncio.run(reward(**arguments)) == [1.0, 0.0, None]
    assert plain(**arguments) == [1.0, 0.0, None]
    assert metrics == {"sv/holes": 1 / 3, "sv/passed": 1 / 3}
    assert extra["sv_verdict"][0] == "2/2"
    assert extra["sv_verdict"][2].startswith("hole: ground truth")
    assert pickle.loads(pickle.dumps(reward)).__name__ == "sv_reward"
    assert inspect.iscoroutinefunction(type(reward).__call__)
    assert not inspect.iscoroutinefunction(type(plain).__call__)
    with pytest.raises(KeyError, match="other"):
        plain([""], [RIGHT], other=[1])
    for each in (reward, plain):
        each.scorer.close()


def test_verl_always_gives_the_same_keys(target: str) -> None:
    truth = {"inputs": ["1"], "outputs": ["2"], "fn_name": "f"}

    async def scores() -> list[dict[str, float]]:
        options = {"target": target, "reward_router_address": "x"}
        return [
            await verl.compute_score("apps", RIGHT, truth, None, **options),
            await verl.compute_score("apps", LEAVES, truth, {}, **options),
            await verl.compute_score("apps", RIGHT, "{}", **options),
            await verl.compute_score("apps", RIGHT, truth, target=NO_SERVER, deadline_s=0.5),
        ]

    got = asyncio.run(scores())
    assert [each["score"] for each in got] == [1.0, 0.0, 0.0, 0.0]
    assert [each["sv_hole"] for each in got] == [0.0, 0.0, 1.0, 1.0]
    assert len({tuple(each) for each in got}) == 1


def test_slime(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SV_TARGET", target)

    def sample(response: str, label: Any) -> Any:
        return SimpleNamespace(response=response, label=label, remove_sample=False)

    assert asyncio.run(slime.custom_rm(None, sample(RIGHT, TESTS))) == 1.0
    group = [sample(RIGHT, TESTS), sample(WRONG, TESTS), sample(RIGHT, "")]
    assert asyncio.run(slime.custom_rm(None, group)) == [1.0, 0.0, 0.0]
    assert [each.remove_sample for each in group] == [False, False, True]


def test_areal(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SV_TARGET", target)
    call = pickle.loads(pickle.dumps(areal.reward_fn))
    assert call("p", RIGHT, [1], [2], tests=TESTS, answer="x") == 1.0
    assert call("p", LEAVES, [1], [2], tests=TESTS) == 0.0
    with pytest.raises(NotJudgedError):
        call("p", RIGHT, [1], [2], tests=[3])


def test_code_eval(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SV_TARGET", target)
    programs = [["def f(x): return x + 1", "def f(x): return x", "import os; os._exit(0)"]]
    shares, results = CodeEval().compute(
        references=["assert f(1) == 2"], predictions=programs, k=[1, 3, 10]
    )
    assert shares == {"pass@1": pytest.approx(1 / 3), "pass@3": 1.0}
    assert [told["passed"] for _, told in results[0]] == [True, False, False]


@pytest.mark.parametrize(
    ("n", "c", "k", "share"), [(1, 1, 1, 1.0), (4, 1, 2, 0.5), (5, 0, 5, 0.0), (3, 3, 2, 1.0)]
)
def test_pass_at_k(n: int, c: int, k: int, share: float) -> None:
    assert pass_at_k(n, c, k) == pytest.approx(share)
