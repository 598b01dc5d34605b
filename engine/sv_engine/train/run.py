"""Starts the worker, listens to it, and says clearly how it ended.

Training has a process of its own so that its memory comes back when it ends. The process ends
with this one, and when the awaiting task is cancelled. Its stderr goes to `<output>.log`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sv_engine
from sv_engine.generate.weights import check_model
from sv_engine.train.errors import (
    LEAVES,
    REMEDIES,
    DiskFullError,
    FailureKind,
    TrainerCrashedError,
    TrainInputError,
    TrainOutOfMemoryError,
)
from sv_engine.train.names import launcher
from sv_engine.train.progress import (
    ADAPTER,
    PARENT_PIPE,
    WEIGHTS,
    PhaseResult,
    TrainProgress,
    TrainResult,
)
from sv_engine.train.spec import TrainSpec

LOG_LINES = 12
"""Lines of the log that a crash message quotes."""


async def train(
    spec: TrainSpec, on_progress: Callable[[TrainProgress], None] | None = None
) -> TrainResult:
    """Train as `spec` says; what came of it.

    `on_progress` is called on the event loop after every optimiser step. Under a launcher the two
    phases are two processes, the second starting from what the first saved: a model sharded over
    devices cannot be handed from one trainer to the next.

    Raises a leaf of TrainError, ModelLoadError for the base model, ConfigError for the launcher.
    """
    await asyncio.to_thread(_check, spec)
    if not spec.launch or spec.sft is None or spec.dpo is None:
        return await _run(spec, on_progress)
    middle = spec.output.with_name(f"{spec.output.name}.sft")
    first = await _run(
        spec.model_copy(update={"output": middle, "dpo": None, "merge": False}), on_progress
    )
    start: dict[str, Any] = {"sft": None}
    if first.adapter is not None:
        start["adapter"] = first.adapter
    else:
        start["base_model"] = str(first.weights)
    second = await _run(spec.model_copy(update=start), on_progress)
    await asyncio.to_thread(shutil.rmtree, middle)
    return TrainResult(
        weights=second.weights,
        adapter=second.adapter,
        sft=first.sft,
        dpo=second.dpo,
        import_s=first.import_s + second.import_s,
        load_s=first.load_s + second.load_s,
        save_s=first.save_s + second.save_s,
        wall_s=first.wall_s + second.wall_s,
    )


def _check(spec: TrainSpec) -> None:
    """Refuse what cannot end well before anything heavy starts."""
    check_model(spec.base_model)
    if spec.output.exists():
        raise TrainInputError(
            "the output directory exists already",
            where=str(spec.output),
            remedy="give a new directory, or remove this one",
        )
    for phase in (spec.sft, spec.dpo):
        if phase is not None and not (phase.data.is_file() and phase.data.stat().st_size):
            raise TrainInputError(
                "the training data is absent or empty",
                where=str(phase.data),
                remedy="selection accepted nothing: sample more, or loosen the selection",
            )
    spec.output.parent.mkdir(parents=True, exist_ok=True)
    stored = sum(f.stat().st_size for f in Path(spec.base_model).glob("*.safetensors"))
    # Weights stored in 16 bits may be written in 32, so twice the base at most.
    needed = 2 * stored if not spec.is_lora or spec.merge else stored // 10
    free = shutil.disk_usage(spec.output.parent).free
    if free < needed:
        raise DiskFullError(
            f"the disk has {free >> 20} MiB free, the weights need up to {needed >> 20} MiB",
            where=str(spec.output.parent),
            remedy="free space, or put the run directory on another disk (run.out)",
        )


async def _run(spec: TrainSpec, on_progress: Callable[[TrainProgress], None] | None) -> TrainResult:
    """One worker process from start to end."""
    start_s = time.perf_counter()
    spec_file = spec.output.with_name(f"{spec.output.name}.spec.json")
    log = spec.output.with_name(f"{spec.output.name}.log")
    spec_text = spec.model_dump_json(indent=2)
    await asyncio.to_thread(spec_file.write_text, spec_text, encoding="utf-8")
    command = launcher(spec.launch)
    with await asyncio.to_thread(log.open, "wb") as log_file:
        process = await asyncio.create_subprocess_exec(
            *command,
            "-m",
            "sv_engine.train.worker",
            str(spec_file),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log_file,
            env=_environment(spec),
            start_new_session=True,  # Ctrl-C reaches us, and we end the whole group in order
        )
    try:
        result, error = await _listen(process, log, on_progress)
        status = await process.wait()
    finally:
        await _end(process)
    if status == 0 and result is not None:
        return _result(spec, result, time.perf_counter() - start_s)
    await asyncio.to_thread(
        shutil.rmtree, spec.output.with_name(f".{spec.output.name}.part"), ignore_errors=True
    )
    if error is not None:
        kind = FailureKind(error["kind"])
        where = "; ".join(text for text in (error["where"], f"log {log}") if text)
        raise LEAVES[kind](error["what"], where=where, remedy=error["remedy"])
    raise await asyncio.to_thread(_crash, status, log)


async def _listen(
    process: asyncio.subprocess.Process,
    log: Path,
    on_progress: Callable[[TrainProgress], None] | None,
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Read events to the end; the bodies of the `result` and of the first `error` event."""
    assert process.stdout is not None
    result = error = None
    async for line in process.stdout:
        try:
            event = json.loads(line)
            name = event.pop("event")
        except (ValueError, KeyError, TypeError, AttributeError):
            continue  # a launcher printed something of its own
        if name == "step" and on_progress is not None:
            on_progress(TrainProgress(**event))
        elif name == "result":
            result = event
        elif name == "error" and error is None:
            error = event
    return result, error


async def _end(process: asyncio.subprocess.Process) -> None:
    """Make sure that the process and its children are gone; a no-op after a normal end."""
    if process.stdin is not None:
        process.stdin.close()
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _environment(spec: TrainSpec) -> dict[str, str]:
    package_root = str(Path(sv_engine.__file__).resolve().parents[1])
    environment = {
        **os.environ,
        PARENT_PIPE: "1",
        "PYTHONPATH": os.pathsep.join(
            path for path in (package_root, os.environ.get("PYTHONPATH")) if path
        ),
        "TOKENIZERS_PARALLELISM": "false",
        # Threads that spin while they wait starve each other when the cores are busy with
        # other work; on a contended machine two spinning threads were six times slower than one.
        "OMP_WAIT_POLICY": "passive",
    }
    # The in-process vLLM sets one thread for itself; the trainer has its own wish.
    environment.pop("OMP_NUM_THREADS", None)
    if spec.threads is not None:
        environment["OMP_NUM_THREADS"] = str(spec.threads)
    return environment


def _result(spec: TrainSpec, body: dict[str, Any], wall_s: float) -> TrainResult:
    sft, dpo = (PhaseResult(**body[name]) if name in body else None for name in ("sft", "dpo"))
    return TrainResult(
        weights=spec.output / WEIGHTS if body["weights"] else None,
        adapter=spec.output / ADAPTER if body["adapter"] else None,
        sft=sft,
        dpo=dpo,
        import_s=body["import_s"],
        load_s=body["load_s"],
        save_s=body["save_s"],
        wall_s=wall_s,
    )


def _crash(status: int, log: Path) -> Exception:
    """The error for a process that ended without saying why."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
    tail = "\n".join(f"    {line}" for line in lines)
    if status == -signal.SIGKILL:
        return TrainOutOfMemoryError(
            "the trainer was killed (SIGKILL), most likely because the machine ran out of memory",
            where=f"log {log}",
            remedy=REMEDIES[FailureKind.OUT_OF_MEMORY],
        )
    how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    return TrainerCrashedError(
        f"the trainer crashed ({how}); its last lines:\n{tail}",
        where=f"log {log}",
        remedy=REMEDIES[FailureKind.CRASHED],
    )
