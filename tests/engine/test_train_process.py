"""The training process from outside: how it may end, and that nothing is left behind.

A launcher stands in for the worker here, so these need neither torch nor a model.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sv_engine.config.layers import ConfigError
from sv_engine.generate.errors import ModelLoadError
from sv_engine.records import Example
from sv_engine.train import (
    DiskFullError,
    DivergedError,
    SftPhase,
    TrainerCrashedError,
    TrainInputError,
    TrainOutOfMemoryError,
    TrainSpec,
    train,
    write_rows,
)
from sv_engine.train.errors import FailureKind
from sv_engine.train.names import launcher
from sv_engine.train.worker import classify


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A directory that looks like a model from outside."""
    path = tmp_path / "base"
    path.mkdir()
    (path / "config.json").write_text("{}", encoding="utf-8")
    (path / "tokenizer.json").write_text("{}", encoding="utf-8")
    (path / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    return path


def _spec(base: Path, program: str = "", **changes: Any) -> TrainSpec:
    """A spec whose worker is the Python program `program`."""
    data = base.parent / "sft.jsonl"
    if not data.exists():
        write_rows(data, [Example("p", "solve", "a", "b")])
    values: dict[str, Any] = {
        "base_model": str(base),
        "output": base.parent / "out",
        "sft": SftPhase(data=data, learning_rate=1e-3),
        "launch": (sys.executable, "-c", program),
    }
    return TrainSpec(**values | changes)


def test_a_crash_shows_status_and_last_lines(base: Path) -> None:
    program = "import sys; print('x' * 9); print('the last words', file=sys.stderr); sys.exit(3)"
    with pytest.raises(TrainerCrashedError, match=r"exit status 3[\s\S]*the last words") as caught:
        asyncio.run(train(_spec(base, program)))
    assert str(base.parent / "out.log") in caught.value.where


def test_a_fatal_signal_is_named(base: Path) -> None:
    program = "import os, signal; os.kill(os.getpid(), signal.SIGABRT)"
    with pytest.raises(TrainerCrashedError, match="SIGABRT"):
        asyncio.run(train(_spec(base, program)))


def test_a_kill_is_taken_for_lack_of_memory(base: Path) -> None:
    program = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(TrainOutOfMemoryError, match="SIGKILL") as caught:
        asyncio.run(train(_spec(base, program)))
    assert "micro_batch_size" in caught.value.remedy


def test_success_without_a_result_is_a_crash(base: Path) -> None:
    with pytest.raises(TrainerCrashedError, match="exit status 0"):
        asyncio.run(train(_spec(base, "pass")))


@pytest.mark.parametrize(
    ("kind", "leaf"),
    [
        ("input", TrainInputError),
        ("out_of_memory", TrainOutOfMemoryError),
        ("disk_full", DiskFullError),
        ("diverged", DivergedError),
        ("crashed", TrainerCrashedError),
    ],
)
def test_error_events_become_their_leaf(base: Path, kind: str, leaf: type[Exception]) -> None:
    event = {"event": "error", "kind": kind, "what": "W", "where": "H", "remedy": "R"}
    program = f"import sys; print({json.dumps(event)!r}); sys.exit(1)"
    with pytest.raises(leaf, match=r"W\n  where: H; log .*out\.log\n  what to do: R"):
        asyncio.run(train(_spec(base, program)))


def test_what_a_launcher_prints_is_no_event(base: Path) -> None:
    event = {"event": "error", "kind": "disk_full", "what": "W", "where": "", "remedy": ""}
    program = f"print('hello'); print('[1]'); print('{{}}'); print({json.dumps(event)!r})"
    with pytest.raises(DiskFullError):
        asyncio.run(train(_spec(base, program)))


def script(folder: Path, said: str) -> Path:
    """A launcher in `folder` that reports an error."""
    folder.mkdir()
    event = {"event": "error", "kind": "input", "what": said, "where": "", "remedy": ""}
    (folder / "torchrun").write_text(f"#!/bin/sh\necho '{json.dumps(event)}'\nexit 1\n")
    (folder / "torchrun").chmod(0o755)
    return folder


def test_a_bare_launcher_is_the_one_of_this_environment(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another Python's has other packages, and comes first where ours is not activated."""
    ours, others = script(tmp_path / "ours", "ours"), script(tmp_path / "others", "others")
    monkeypatch.setenv("PATH", f"{others}:{os.environ['PATH']}")
    monkeypatch.setattr(sys, "executable", str(ours / "python"))
    with pytest.raises(TrainInputError, match="ours"):
        asyncio.run(train(_spec(base, launch=("torchrun",))))
    (ours / "torchrun").unlink()
    with pytest.raises(TrainInputError, match="others"):
        asyncio.run(train(_spec(base, launch=("torchrun",))))
    (others / "torchrun").unlink()
    with pytest.raises(ConfigError, match="no program 'torchrun'") as caught:
        launcher(("torchrun",))
    assert caught.value.where == f"{ours}, and PATH"
    with pytest.raises(ConfigError) as caught:
        launcher(("/no/such/torchrun",))
    assert caught.value.where == "/no/such/torchrun"


def test_progress_arrives_in_order(base: Path) -> None:
    steps = [
        {"event": "step", "phase": "sft", "step": i, "total": 3, "loss": 1.0, "learning_rate": 0.1}
        for i in (1, 2, 3)
    ]
    program = "".join(f"print({json.dumps(step)!r});" for step in steps) + "raise SystemExit(9)"
    seen: list[tuple[int, int]] = []
    with pytest.raises(TrainerCrashedError):
        asyncio.run(train(_spec(base, program), lambda p: seen.append((p.step, p.total))))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_cancelling_ends_the_whole_process_group(base: Path) -> None:
    pids = base.parent / "pids"
    pids.mkdir()
    program = (
        "import os, pathlib, subprocess, sys, time\n"
        f"pids = pathlib.Path({str(pids)!r})\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "(pids / str(child.pid)).touch(); (pids / str(os.getpid())).touch()\n"
        "time.sleep(600)\n"
    )

    async def body() -> list[int]:
        task = asyncio.create_task(train(_spec(base, program)))
        while len(started := list(pids.iterdir())) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return [int(path.name) for path in started]

    for pid in asyncio.run(body()):
        deadline_s = time.monotonic() + 60  # a killed grandchild may take a moment to go
        while _runs(pid):
            assert time.monotonic() < deadline_s
            time.sleep(0.01)


def _runs(pid: int) -> bool:
    """Whether the process is there and not merely waiting to be collected."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def test_an_existing_output_is_not_overwritten(base: Path) -> None:
    (base.parent / "out").mkdir()
    with pytest.raises(TrainInputError, match="exists already"):
        asyncio.run(train(_spec(base)))


def test_empty_data_is_found_before_anything_starts(base: Path) -> None:
    (base.parent / "sft.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(TrainInputError, match="absent or empty") as caught:
        asyncio.run(train(_spec(base, "raise SystemExit(9)")))
    assert "loosen the selection" in caught.value.remedy


def test_a_wrong_base_model(base: Path) -> None:
    with pytest.raises(ModelLoadError, match="does not exist"):
        asyncio.run(train(_spec(base, base_model=str(base / "absent"))))


def test_a_disk_without_room_is_found_before_anything_starts(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (base / "model.safetensors").open("wb") as file:
        header = b'{"a":{"dtype":"U8","shape":[1000000],"data_offsets":[0,1000000]}}'
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + 1_000_000)

    class Usage:
        free = 1_500_000

    monkeypatch.setattr("sv_engine.train.run.shutil.disk_usage", lambda _: Usage)
    with pytest.raises(DiskFullError, match="1 MiB free"):
        asyncio.run(train(_spec(base, "raise SystemExit(9)")))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), FailureKind.DISK_FULL),
        (RuntimeError("I/O error: No space left on device (os error 28)"), FailureKind.DISK_FULL),
        (MemoryError(), FailureKind.OUT_OF_MEMORY),
        (RuntimeError("CUDA out of memory. Tried to allocate"), FailureKind.OUT_OF_MEMORY),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), FailureKind.OUT_OF_MEMORY),
        (DivergedError("nan"), FailureKind.DIVERGED),
        (ModelLoadError("no"), FailureKind.INPUT),
        (OSError(errno.EACCES, "denied"), FailureKind.CRASHED),
        (KeyError("bug"), FailureKind.CRASHED),
    ],
)
def test_failures_are_told_apart(error: Exception, kind: FailureKind) -> None:
    assert classify(error) is kind


def test_a_spec_must_ask_for_something(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to train"):
        TrainSpec(base_model="m", output=tmp_path)
