"""What verl's reward loop would get for four answers, in a pool of this process."""

from __future__ import annotations

import asyncio
import sys

from sv_engine.integrations.verl import compute_score

TRUTH = {"inputs": ["1", "41"], "outputs": ["2", "42"], "fn_name": "f"}
ANSWERS = {
    "right": "```python\ndef f(x):\n    return x + 1\n```",
    "wrong": "```python\ndef f(x):\n    return 2\n```",
    "leaves early": "```python\nimport os\nos._exit(0)\n```",
    "lies": "```python\nclass E:\n    def __eq__(s, o): return True\ndef f(x): return E()\n```",
}


async def main() -> None:
    """Print the scores."""
    target = sys.argv[1] if len(sys.argv) > 1 else "local"
    for name, answer in ANSWERS.items():
        print(f"{name:12}", await compute_score("apps", answer, TRUTH, target=target))


if __name__ == "__main__":
    asyncio.run(main())
