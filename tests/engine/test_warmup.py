"""Warm-up and training phases of any length."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sv_engine.train.phases import warmup_of


@given(steps=st.integers(1, 500), wanted=st.integers(0, 500))
def test_some_step_has_the_full_learning_rate_and_is_not_the_end(steps: int, wanted: int) -> None:
    warmup = warmup_of(steps, wanted)
    assert 0 <= warmup < steps
    assert warmup == wanted or warmup == steps // 2 < wanted
