"""One row of a NeMo-Gym dataset, verified by a server: python examples/nemo_gym_verify.py [URL]."""

from __future__ import annotations

import sys

import httpx

ANSWER = "```python\ndef f(x):\n    return x + 1\n```"
ROW = {
    "responses_create_params": {"input": [{"role": "user", "content": "Write f."}]},
    "response": {
        "output": [{"type": "message", "content": [{"type": "output_text", "text": ANSWER}]}]
    },
    "verifier_metadata": {"unit_tests": {"inputs": ["1"], "outputs": ["2"], "fn_name": "f"}},
}


def main() -> None:
    """Print the reward."""
    url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
    answer = httpx.post(f"{url}/verify", json=ROW).raise_for_status().json()
    print("reward", answer["reward"], "result", answer["result"])


if __name__ == "__main__":
    main()
