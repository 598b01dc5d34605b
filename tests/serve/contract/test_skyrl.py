"""SkyRL-gym 0.4: our environment, made by its registry."""

from __future__ import annotations

import pytest

skyrl_gym = pytest.importorskip("skyrl_gym", reason="skyrl-gym is not installed here")
pytest.importorskip("sv_engine", reason="our package is not on the path here")

RIGHT = "```python\ndef f(x):\n    return x + 1\n```"
TESTS = '{"inputs": ["1"], "outputs": ["2"], "fn_name": "f"}'


def make(truth: object):  # type: ignore[no-untyped-def]
    from skyrl_gym.envs import registration

    if "sv" not in registration.registry:
        registration.register(id="sv", entry_point="sv_engine.integrations.skyrl:SvEnv")
    return skyrl_gym.make("sv", env_config={}, extras={"reward_spec": {"ground_truth": truth}})


@pytest.mark.parametrize(("answer", "reward"), [(RIGHT, 1.0), ("import os; os._exit(0)", 0.0)])
def test_one_step(
    server_url: str, monkeypatch: pytest.MonkeyPatch, answer: str, reward: float
) -> None:
    monkeypatch.setenv("SV_TARGET", server_url)
    env = make(TESTS)
    env.init([{"role": "user", "content": "Write f."}])
    told = env.step(answer)
    assert (told["reward"], told["done"]) == (reward, True)


def test_a_hole_raises(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sv_engine.integrations.scorer import NotJudgedError

    monkeypatch.setenv("SV_TARGET", server_url)
    with pytest.raises(NotJudgedError):
        make("{}").step(RIGHT)
