"""The training process: `python -m sv_engine.train.worker spec.json`.

In: a spec file (`TrainSpec`). Out: the directory `spec.output`, complete or absent, and one JSON
event per line on stdout (`step`, `result`, `error`); everything else that is printed goes to
stderr. `torchrun` and `accelerate launch` may start it on several devices: rank 0 reports.

Exit status 0 with a `result` event, 1 with an `error` event; anything else is a crash.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from sv_engine.errors import EngineError
from sv_engine.train.data import dpo_rows, read_rows, sft_rows
from sv_engine.train.errors import LEAVES, REMEDIES, DivergedError, FailureKind, TrainInputError
from sv_engine.train.phases import run_dpo, run_sft
from sv_engine.train.progress import (
    ADAPTER,
    PARENT_PIPE,
    WEIGHTS,
    PhaseResult,
    progress_body,
    write_event,
)
from sv_engine.train.spec import TrainSpec


def main(arguments: list[str]) -> int:
    """Train as the spec file says; the exit status."""
    # Libraries print where they like; stdout is for events alone.
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if os.environ.get(PARENT_PIPE):
        threading.Thread(target=_leave_with_parent, daemon=True).start()
    is_first = os.environ.get("RANK", "0") == "0"
    try:
        spec = TrainSpec.model_validate_json(Path(arguments[0]).read_text(encoding="utf-8"))
        body = _train(spec, events if is_first else None)
    except Exception as error:
        kind = classify(error)
        if kind is FailureKind.CRASHED:
            import traceback

            traceback.print_exc()
        write_event(events, "error", {"kind": kind, **_explain(error, kind)})
        return 1
    if is_first:
        write_event(events, "result", body)
    return 0


def classify(error: BaseException) -> FailureKind:
    """Which kind of failure an exception is."""
    for kind, leaf in LEAVES.items():
        if isinstance(error, leaf):
            return kind
    text = f"{type(error).__name__} {error}".lower()
    if isinstance(error, EngineError):
        return FailureKind.INPUT
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FailureKind.DISK_FULL
    # safetensors wraps the system's error in one of its own.
    if "no space left" in text or "os error 28" in text or "quota exceeded" in text:
        return FailureKind.DISK_FULL
    if isinstance(error, MemoryError) or "outofmemory" in text or "out of memory" in text:
        return FailureKind.OUT_OF_MEMORY
    if "can't allocate memory" in text or "cannot allocate memory" in text:
        return FailureKind.OUT_OF_MEMORY
    return FailureKind.CRASHED


def _explain(error: BaseException, kind: FailureKind) -> dict[str, str]:
    if isinstance(error, EngineError):
        return {"what": error.what, "where": error.where, "remedy": error.remedy}
    return {"what": f"{type(error).__name__}: {error}", "where": "", "remedy": REMEDIES[kind]}


def _leave_with_parent() -> None:
    """End with the parent, however it ended: the pipe from it closes."""
    while os.read(0, 1024):
        pass
    os._exit(1)


def _train(spec: TrainSpec, events: IO[str] | None) -> dict[str, Any]:
    """Everything from import to saved weights; the body of the `result` event."""
    if Path(spec.base_model).is_dir():
        os.environ["HF_HUB_OFFLINE"] = "1"  # nothing is needed from outside, so nothing is asked
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["TQDM_DISABLE"] = "1"
    started_s = time.perf_counter()
    import torch
    import transformers
    import trl  # noqa: F401

    imported_s = time.perf_counter()
    transformers.utils.logging.disable_progress_bar()
    if spec.threads is not None:
        torch.set_num_threads(spec.threads)
    transformers.set_seed(spec.seed)
    tokenizer = _load_tokenizer(spec)
    model = _load_model(spec)
    loaded_s = time.perf_counter()

    scratch = spec.output.with_name(f".{spec.output.name}.part")
    if events is not None:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True, exist_ok=True)

    def report(progress: Any) -> None:
        if events is not None:
            write_event(events, "step", progress_body(progress))

    results: dict[str, PhaseResult] = {}
    trainer: Any = None
    if spec.sft is not None:
        texts = read_rows(spec.sft.data, ("prompt", "completion"))
        rows = sft_rows(texts, tokenizer, spec.prompt_format, spec.max_length)
        dropped = len(texts) - len(rows)
        trainer, results["sft"] = run_sft(
            model, tokenizer, rows, dropped, spec, spec.sft, scratch, report
        )
    if spec.dpo is not None:
        texts = read_rows(spec.dpo.data, ("prompt", "chosen", "rejected"))
        rows = dpo_rows(texts, tokenizer, spec.prompt_format, spec.max_length)
        dropped = len(texts) - len(rows)
        trainer, results["dpo"] = run_dpo(
            model, tokenizer, rows, dropped, spec, spec.dpo, scratch, report
        )
    trained_s = time.perf_counter()
    _refuse_broken(model)
    _save(spec, trainer, model, tokenizer, scratch, is_first=events is not None)
    return {
        "adapter": spec.lora is not None,
        "weights": spec.lora is None or spec.merge,
        **{name: asdict(result) for name, result in results.items()},
        "import_s": imported_s - started_s,
        "load_s": loaded_s - imported_s,
        "save_s": time.perf_counter() - trained_s,
    }


def _load_tokenizer(spec: TrainSpec) -> Any:
    from transformers import AutoTokenizer

    from sv_engine.prompts.format import is_chat

    tokenizer = AutoTokenizer.from_pretrained(spec.base_model)
    if tokenizer.eos_token_id is None:
        raise TrainInputError(
            "the tokenizer has no end-of-sequence token, so completions could not end",
            where=spec.base_model,
            remedy="set eos_token in tokenizer_config.json",
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token  # padding is masked; any token will do
    is_chat(tokenizer, spec.prompt_format)  # an impossible wish fails before the model is read
    return tokenizer


def _load_model(spec: TrainSpec) -> Any:
    """The model to train: all weights, or the base with a trainable adapter named "default"."""
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import AutoModelForCausalLM

    dtype = torch.bfloat16 if spec.precision == "bf16" else torch.float32
    model = AutoModelForCausalLM.from_pretrained(spec.base_model, dtype=dtype)
    if spec.lora is None:
        return model
    if spec.adapter is not None:
        return PeftModel.from_pretrained(model, str(spec.adapter), is_trainable=True)
    targets = spec.lora.targets
    return get_peft_model(
        model,
        LoraConfig(
            task_type="CAUSAL_LM",
            r=spec.lora.rank,
            lora_alpha=spec.lora.alpha,
            lora_dropout=spec.lora.dropout,
            target_modules=targets if isinstance(targets, str) else list(targets),
        ),
    )


def _refuse_broken(model: Any) -> None:
    """DivergedError when a trained weight is not a number: the last update is not in any loss."""
    import torch

    for name, weight in model.named_parameters():
        if weight.requires_grad and not torch.isfinite(weight).all():
            raise DivergedError(
                f"the trained weight {name} is not finite",
                remedy="lower the learning rate, raise warmup_steps or lower max_grad_norm; "
                "nothing was saved",
            )


def _save(
    spec: TrainSpec, trainer: Any, model: Any, tokenizer: Any, scratch: Path, *, is_first: bool
) -> None:
    """Write into `scratch`, then rename to the output: it is whole or it is not there."""
    place = scratch / (WEIGHTS if spec.lora is None else ADAPTER)
    trainer.save_model(str(place))  # gathers shards, whatever the launcher; every rank calls it
    trainer.accelerator.wait_for_everyone()
    if not is_first:
        return
    # TRL's frozen copy of the adapter and its pickled settings are no part of the result.
    shutil.rmtree(place / "ref", ignore_errors=True)
    (place / "training_args.bin").unlink(missing_ok=True)
    if spec.lora is not None and spec.merge:
        if trainer.accelerator.num_processes == 1:
            merged = model.merge_and_unload(safe_merge=True, adapter_names=["default"])
            merged.save_pretrained(scratch / WEIGHTS)
            tokenizer.save_pretrained(scratch / WEIGHTS)
        else:
            from sv_engine.train.merge import write_merged

            write_merged(spec.base_model, place, scratch / WEIGHTS)
    scratch.rename(spec.output)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
