"""The two phases on TRL's trainers; runs in the worker process only.

Both trainers get token ids made by `data`, so their own text preparation is left out. The
reference model of DPO is the model as it enters the phase, never the base on disk:

* LoRA: the model goes in with its trained adapter, and TRL keeps a frozen copy of the adapter.
* All weights, one process: the reference's log-probabilities are computed before the first step,
  with the model itself (`precompute_ref_log_probs`). TRL's own default would load the reference
  from the path that the model once came from.
* All weights, several processes: that default is right, because under a launcher the phases are
  runs of their own and the model has just come from that path, unchanged.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sv_engine.config.sections import Schedule
from sv_engine.cpu import computes_bf16
from sv_engine.train.data import TokenRow, row_length
from sv_engine.train.errors import DivergedError, TrainInputError
from sv_engine.train.progress import PhaseResult, TrainProgress
from sv_engine.train.spec import DpoPhase, SftPhase, TrainSpec

LENGTH = "length"
"""Column of row lengths in tokens."""

Report = Callable[[TrainProgress], None]

SCHEDULES = {
    Schedule.LINEAR: "polynomial",  # of power 1: linear, but with a floor
    Schedule.COSINE: "cosine_with_min_lr",
    Schedule.CONSTANT: "constant_with_warmup",
}


def run_sft(
    model: Any,
    tokenizer: Any,
    rows: Sequence[TokenRow],
    dropped_rows: int,
    spec: TrainSpec,
    phase: SftPhase,
    scratch: Path,
    report: Report,
) -> tuple[Any, PhaseResult]:
    """Fine-tune `model` in place; the trainer (it saves) and what happened."""
    from trl import SFTConfig, SFTTrainer

    class Trainer(SFTTrainer):  # type: ignore[misc]
        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset  # rows are token ids and labels already

    arguments = _arguments(spec, phase, scratch)
    return _run("sft", Trainer, SFTConfig, arguments, model, tokenizer, rows, dropped_rows, report)


def run_dpo(
    model: Any,
    tokenizer: Any,
    rows: Sequence[TokenRow],
    dropped_rows: int,
    spec: TrainSpec,
    phase: DpoPhase,
    scratch: Path,
    report: Report,
) -> tuple[Any, PhaseResult]:
    """Optimise preferences of `model` in place; the trainer (it saves) and what happened."""
    from trl import DPOConfig, DPOTrainer

    class Trainer(DPOTrainer):  # type: ignore[misc]
        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset  # rows are token ids already

    arguments = _arguments(spec, phase, scratch)
    arguments["beta"] = phase.beta
    arguments["loss_type"] = ["sigmoid", "sft"] if phase.nll_weight else ["sigmoid"]
    arguments["loss_weights"] = [1.0, phase.nll_weight] if phase.nll_weight else [1.0]
    arguments["precompute_ref_log_probs"] = not spec.is_lora and _processes() == 1
    return _run("dpo", Trainer, DPOConfig, arguments, model, tokenizer, rows, dropped_rows, report)


def _processes() -> int:
    """Processes of this training run, one per device, as launchers announce it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def _computes_in_bf16(spec: TrainSpec) -> bool:
    import torch

    if spec.precision != "auto":
        return spec.precision != "fp32"
    return torch.cuda.is_bf16_supported() if torch.cuda.is_available() else computes_bf16()


def _arguments(spec: TrainSpec, phase: SftPhase | DpoPhase, scratch: Path) -> dict[str, Any]:
    """Keyword arguments that both trainers' configs share."""
    import torch

    devices = _processes()
    micro = phase.micro_batch_size or math.ceil(phase.batch_size / devices)
    if phase.batch_size % (micro * devices):
        raise TrainInputError(
            f"a batch of {phase.batch_size} cannot be split into steps of {micro} rows on "
            f"{devices} devices",
            remedy=f"make sft.batch_size and dpo.batch_size multiples of {micro * devices}",
        )
    options: dict[str, float] = {}
    if phase.schedule is Schedule.LINEAR:
        options = {"lr_end": phase.learning_rate * phase.final_lr_share, "power": 1.0}
    elif phase.schedule is Schedule.COSINE:
        options = {"min_lr_rate": phase.final_lr_share}
    return {
        "output_dir": str(scratch),
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": phase.batch_size // (micro * devices),
        "num_train_epochs": phase.epochs,
        "learning_rate": phase.learning_rate,
        "warmup_steps": phase.warmup_steps,
        "lr_scheduler_type": SCHEDULES[phase.schedule],
        "lr_scheduler_kwargs": options,
        "optim": phase.optimiser,
        "adam_beta2": phase.adam_beta2,
        "weight_decay": phase.weight_decay,
        "max_grad_norm": phase.max_grad_norm,
        "max_length": spec.max_length,
        "seed": spec.seed,
        "bf16": _computes_in_bf16(spec),
        "use_cpu": not torch.cuda.is_available(),
        "gradient_checkpointing": spec.gradient_checkpointing,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # a loss that is not a number must be seen
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        # Rows of like length share a batch: less padding to compute on.
        "train_sampling_strategy": "group_by_length",
        "length_column_name": LENGTH,
        "remove_unused_columns": False,  # it would take the lengths away; the rest is all used
        "dataloader_pin_memory": torch.cuda.is_available(),
    }


def _run(
    name: str,
    trainer_class: Any,
    config_class: Any,
    arguments: dict[str, Any],
    model: Any,
    tokenizer: Any,
    rows: Sequence[TokenRow],
    dropped_rows: int,
    report: Report,
) -> tuple[Any, PhaseResult]:
    from datasets import Dataset
    from transformers import PrinterCallback

    class Named(trainer_class):  # type: ignore[misc]
        """Notes in which order the rows are drawn."""

        def _get_train_sampler(self, *arguments: Any) -> Any:
            return _Noting(super()._get_train_sampler(*arguments), orders)

    orders: list[list[int]] = []
    batch = arguments["per_device_train_batch_size"] * arguments["gradient_accumulation_steps"]
    batch *= _processes()

    def consumed(step: int) -> list[int]:
        return [] if dropped_rows else rows_of_step(orders, batch, step)

    losses: list[float] = []
    last: dict[str, float] = {}
    if not rows:
        raise TrainInputError(
            f"every prompt of the {name} data is longer than max_length",
            remedy="raise train.max_length",
        )
    steps = math.ceil(arguments["num_train_epochs"] * math.ceil(len(rows) / batch))
    arguments["warmup_steps"] = warmup_of(steps, arguments["warmup_steps"])
    start_s = time.perf_counter()
    logging.getLogger("trl").setLevel(logging.ERROR)
    trainer = Named(
        model=model,
        args=config_class(**arguments),
        train_dataset=Dataset.from_list([{**row, LENGTH: row_length(row)} for row in rows]),
        processing_class=tokenizer,
        callbacks=[_watch(name, report, consumed, losses, last)],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    tail = losses[-max(1, len(losses) // 10) :]
    return trainer, PhaseResult(
        steps=len(losses),
        rows=len(rows),
        dropped_rows=dropped_rows,
        first_loss=losses[0],
        last_loss=sum(tail) / len(tail),
        wall_s=time.perf_counter() - start_s,
        metrics=dict(last),
    )


def warmup_of(steps: int, wanted: int) -> int:
    """Steps of warm-up in a phase of `steps`: at most half of them, so that every phase reaches
    its learning rate and falls again."""
    return min(wanted, steps // 2)


def _watch(
    name: str,
    report: Report,
    consumed: Callable[[int], list[int]],
    losses: list[float],
    last: dict[str, float],
) -> Any:
    """A callback that reports every step, and fills `losses` and the last step's figures."""
    from transformers import TrainerCallback

    class Watch(TrainerCallback):  # type: ignore[misc]
        """Reports every step, and stops at the first loss that is not a number."""

        def on_log(
            self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any
        ) -> None:
            if "loss" not in logs:
                return  # the summary at the end
            figures = {k: float(v) for k, v in logs.items() if isinstance(v, int | float)}
            loss, rate = figures.pop("loss"), figures.pop("learning_rate")
            losses.append(loss)
            last.clear()
            last.update(figures)
            step, last_step, rows = state.global_step, state.max_steps, consumed(state.global_step)
            report(TrainProgress(name, step, last_step, loss, rate, figures, rows))
            if not math.isfinite(loss) or not math.isfinite(figures.get("grad_norm", 0.0)):
                raise DivergedError(
                    f"the {name} loss or its gradient is not a number "
                    f"(loss {loss}, gradient norm {figures.get('grad_norm')})",
                    where=f"step {state.global_step} of {state.max_steps}, "
                    f"learning rate {rate:.3g}",
                    remedy=f"lower {name}.learning_rate, raise {name}.warmup_steps or lower "
                    f"{name}.max_grad_norm; "
                    "nothing was saved",
                )

    return Watch()


class _Noting:
    """A sampler that notes the order of each epoch."""

    def __init__(self, inner: Any, orders: list[list[int]]) -> None:
        self._inner = inner
        self._orders = orders

    def __iter__(self) -> Iterator[int]:
        order: list[int] = []
        self._orders.append(order)
        for row in self._inner:
            order.append(int(row))
            yield row

    def __len__(self) -> int:
        return len(self._inner)


def rows_of_step(orders: Sequence[Sequence[int]], batch: int, step: int) -> list[int]:
    """Rows that optimiser step `step` (from 1) consumed, given the order of each epoch; the last
    step of an epoch takes what is left of it."""
    if not orders:
        return []
    steps = math.ceil(len(orders[0]) / batch)
    epoch, number = divmod(step - 1, steps)
    return list(orders[epoch][number * batch : (number + 1) * batch]) if epoch < len(orders) else []
