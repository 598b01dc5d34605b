"""An inspect_ai evaluation in the sandbox `sv`, with a mock model that writes a program.

pip install inspect-ai && python examples/inspect_task.py
"""

from __future__ import annotations

import tempfile


def main() -> None:
    """Run it, and print the score."""
    from inspect_ai import Task
    from inspect_ai import eval as evaluate
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ModelOutput, ModelUsage, get_model
    from inspect_ai.scorer import match
    from inspect_ai.solver import generate, use_tools
    from inspect_ai.tool import python

    outputs = [
        ModelOutput.for_tool_call("mockllm/model", "python", {"code": "print(6 * 7)"}),
        ModelOutput.from_content("mockllm/model", "42"),
    ]
    for output in outputs:
        output.usage = ModelUsage()
    task = Task(
        dataset=[Sample(input="What is 6 * 7?", target="42")],
        solver=[use_tools(python(timeout=30)), generate()],
        scorer=match(),
        sandbox="sv",
    )
    with tempfile.TemporaryDirectory() as folder:
        model = get_model("mockllm/model", custom_outputs=outputs)
        log = evaluate(task, model=model, log_dir=folder, display="none")[0]
        print(log.status, log.results.scores[0].metrics["accuracy"].value)


if __name__ == "__main__":
    main()
