"""Public benchmarks: their files and splits, their prompts, their own judgement, both roles."""
