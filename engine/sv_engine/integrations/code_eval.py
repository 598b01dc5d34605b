"""The metric `code_eval` of Hugging Face's `evaluate`, judged in the sandbox (lm-eval 0.4).

lm-eval's HumanEval and MBPP load that metric when they are imported, and run every program in a
plain subprocess. `install()` first, and they get this one:

    python -m sv_engine.integrations.code_eval run --model ... --tasks humaneval,mbpp

A hole raises at the end: pass@k of what could not be judged is not known.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from typing import Any

from sv_engine.integrations.scorer import LOCAL, NotJudgedError, Scored, shared

NAME = "code_eval"


class CodeEval:
    """What `evaluate.load("code_eval")` returns, as far as it is used."""

    name = NAME

    def compute(
        self,
        references: Sequence[str],
        predictions: Sequence[Sequence[str]],
        k: Sequence[int] = (1, 10, 100),
        num_workers: int = 4,
        timeout: float = 3.0,
    ) -> tuple[dict[str, float], dict[int, list[tuple[int, dict[str, Any]]]]]:
        """pass@k for each k that there are samples for, and what became of each program.

        references: a source of assertions per problem. predictions: programs per problem. The
        estimator is that of Chen et al. 2021 (arXiv 2107.03374). Raises NotJudgedError.
        """
        scorer = shared(
            target=os.environ.get("SV_TARGET", LOCAL),
            token=os.environ.get("SV_TOKEN"),
            cpu_s=timeout,
            deadline_s=3600.0,
        )
        flat = [(at, program) for at, programs in enumerate(predictions) for program in programs]
        scored = scorer.score_all_now(
            [program for _, program in flat], [references[problem] for problem, _ in flat]
        )
        results: dict[int, list[tuple[int, dict[str, Any]]]] = {
            problem: [] for problem in range(len(predictions))
        }
        for (problem, _), each in zip(flat, scored, strict=True):
            results[problem].append((len(results[problem]), _told(problem, each)))
        counts = [(len(told), sum(one["passed"] for _, one in told)) for told in results.values()]
        wanted = [one for one in k if all(n >= one for n, _ in counts)]
        shares = {
            f"pass@{one}": sum(pass_at_k(n, c, one) for n, c in counts) / max(1, len(counts))
            for one in wanted
        }
        return shares, results


def pass_at_k(n: int, c: int, k: int) -> float:
    """Chance that one of k samples of n, of which c are right, is right."""
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def _told(problem: int, scored: Scored) -> dict[str, Any]:
    passed = scored.known == 1.0
    result = "passed" if passed else f"failed: {scored.detail}"
    return {"task_id": problem, "passed": passed, "result": result}


def install() -> None:
    """Have `evaluate.load("code_eval")` give this metric, in this process."""
    import evaluate

    os.environ.setdefault("HF_ALLOW_CODE_EVAL", "1")  # lm-eval asks for it before it loads
    plain = evaluate.load

    def load(path: str, *arguments: Any, **options: Any) -> Any:
        return CodeEval() if path == NAME else plain(path, *arguments, **options)

    evaluate.load = load


def main() -> None:
    """Run lm-eval with the metric in place; its arguments are ours."""
    install()
    from lm_eval.__main__ import cli_evaluate

    sys.argv[0] = "lm_eval"
    cli_evaluate()


__all__ = ["CodeEval", "NotJudgedError", "install", "pass_at_k"]

if __name__ == "__main__":
    main()
