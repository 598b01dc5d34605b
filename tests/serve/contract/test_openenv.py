"""OpenEnv's own client against the server (openenv 0.10)."""

from __future__ import annotations

import pytest

openenv = pytest.importorskip("openenv", reason="openenv is not installed here")


@pytest.fixture
def env(server_url: str):  # type: ignore[no-untyped-def]
    from openenv.core.generic_client import GenericEnvClient

    with GenericEnvClient(base_url=server_url).sync() as client:
        yield client


def test_a_program_runs(env) -> None:  # type: ignore[no-untyped-def]
    env.reset(seed=3, episode_id="e1")
    result = env.step({"code": "print(int(input()) * 2)", "stdin": "21"})
    assert (result.observation["stdout"], result.reward, result.done) == ("42\n", None, False)
    assert env.state() == {"episode_id": "e1", "step_count": 1}


def test_tests_of_the_action_give_a_reward(env) -> None:  # type: ignore[no-untyped-def]
    env.reset()
    tests = ["assert f(1) == 2"]
    result = env.step({"code": "def f(x): return x + 1", "tests": tests})
    assert (result.reward, result.done) == (1.0, True)
    assert env.step({"code": "import os; os._exit(0)", "tests": tests}).reward == 0.0


def test_tests_of_the_episode_are_the_ones_that_count(env) -> None:  # type: ignore[no-untyped-def]
    env.reset(tests=["assert f(1) == 2"])
    assert env.step({"code": "def f(x): return 5", "tests": ["assert True"]}).reward == 0.0


def test_a_bad_action_is_an_error_and_the_session_goes_on(env) -> None:  # type: ignore[no-untyped-def]
    env.reset()
    with pytest.raises(Exception, match="code"):
        env.step({"kode": "print(1)"})
    assert env.step({"code": "print(1)"}).observation["stdout"] == "1\n"
