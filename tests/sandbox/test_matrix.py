"""The arrays of a matrix: shared with NumPy, alive as long as anybody looks."""

from __future__ import annotations

import gc

import pytest

from sv_sandbox import Limits, Pool, Verdict

np = pytest.importorskip("numpy", reason="NumPy is not installed")


def test_numpy_sees_the_matrix_without_copying(pool: Pool) -> None:
    job = pool.submit(["def f(x): return x", "def f(x): return 2"], ["assert f(1) == 1"] * 3)
    m = job.wait()
    verdict_ST, cpu_us_ST = np.asarray(m.verdict_ST), np.asarray(m.cpu_us_ST)
    assert (verdict_ST.dtype, cpu_us_ST.dtype) == (np.uint8, np.uint32)
    assert verdict_ST.shape == cpu_us_ST.shape == (2, 3)
    assert np.shares_memory(verdict_ST, np.asarray(m.verdict_ST))
    assert np.shares_memory(cpu_us_ST, np.asarray(m.cpu_us_ST))
    assert not verdict_ST.flags.owndata
    assert verdict_ST.flags.c_contiguous
    assert verdict_ST.tolist() == [[Verdict.PASS] * 3, [Verdict.WRONG] * 3]
    assert (cpu_us_ST > 0).all()


def test_an_array_made_before_the_job_is_done_fills_up(pool: Pool) -> None:
    spin = (
        "import time\ndef f():\n    end = time.thread_time() + 0.1\n"
        "    while time.thread_time() < end: pass"
    )
    job = pool.submit([spin] * 6, ["assert f() is None"], limits=Limits(cpu_s=5.0))
    verdict_ST = np.asarray(job._matrix.verdict_ST)
    assert (verdict_ST == Verdict.INFRA).any()
    job.wait()
    assert (verdict_ST == Verdict.PASS).all()


def test_an_array_outlives_everything() -> None:
    with Pool(1) as pool:
        verdict_ST = np.asarray(pool.matrix(["x = 1"] * 4, ["assert x == 1"] * 5).verdict_ST)
    del pool
    gc.collect()
    assert (verdict_ST == Verdict.PASS).all()


def test_odd_shapes_are_aligned(pool: Pool) -> None:
    for rows, cells in [(1, 1), (1, 3), (3, 5), (7, 1), (2, 9)]:
        m = pool.matrix(["x = 1"] * rows, ["assert x == 1"] * cells)
        cpu_us_ST = np.asarray(m.cpu_us_ST)
        assert cpu_us_ST.flags.aligned
        assert np.asarray(m.verdict_ST).shape == cpu_us_ST.shape == (rows, cells)
        assert (np.asarray(m.verdict_ST) == Verdict.PASS).all()
