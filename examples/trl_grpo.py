"""Three steps of GRPO with TRL on the pocket model that the package ships, on a CPU.

pip install 'sv-engine[train]' && python examples/trl_grpo.py
"""

from __future__ import annotations

import tempfile
from importlib import resources

from sv_engine.integrations.trl import Reward

ROWS = {
    "prompt": ["# add one\ndef f(x):\n", "# double it\ndef f(x):\n"] * 6,
    "tests": [["assert f(1) == 2"], ["assert f(3) == 6"]] * 6,
}


def main() -> None:
    """Train, and print what was logged."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    weights = str(resources.files("sv_engine.pocket") / "base")
    tokenizer = AutoTokenizer.from_pretrained(weights)
    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model=AutoModelForCausalLM.from_pretrained(weights),
            processing_class=tokenizer,
            args=GRPOConfig(
                output_dir=folder,
                max_steps=3,
                per_device_train_batch_size=4,
                num_generations=4,
                max_completion_length=32,
                use_cpu=True,
                bf16=False,
                report_to=[],
                logging_steps=1,
                save_strategy="no",
            ),
            reward_funcs=[Reward(column="tests", cpu_s=1.0)],
            train_dataset=Dataset.from_dict(ROWS),
        )
        trainer.train()
    for entry in trainer.state.log_history:
        print({key: value for key, value in entry.items() if "reward" in key or "sv/" in key})


if __name__ == "__main__":
    main()
