"""The pocket model: a grammar of small Python tasks and a language model of a million weights.

It lets the whole loop run on a machine without accelerator and without downloads. From the
bottom: `operations` (what a list can undergo), `tasks` (one or two operations in a row, their
bugs), `grammar` (the texts: problems, prompts, programs, asserts; what the loop imports),
`corpus` (pre-training documents), `tokenizer`, `pretrain` (makes the checkpoint in `BASE`).
"""

from __future__ import annotations

from pathlib import Path

BASE = Path(__file__).parent / "base"
"""The shipped checkpoint: what `sv-engine pocket build --seed 0` writes."""
