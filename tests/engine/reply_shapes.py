"""Shapes in which chat models answer, as functions of the code they would show.

`SHAPES[name](code, entry_point)` is a reply whose program is `code`: extracted, it passes what
`code` passes. No shape needs a prompt; `CONTINUED` are those that go on with one.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable

F = "```"


def _indented(code: str, by: str) -> str:
    return textwrap.indent(code, by)


def _repl(code: str) -> str:
    lines = code.strip("\n").split("\n")
    marked = [">>> " + line if line[:1].strip() else "... " + line for line in lines]
    return "\n".join(marked)


def _broken(entry_point: str) -> str:
    return f"def {entry_point}(*args):\n    return 'a draft, which is wrong'\n"


SHAPES: dict[str, Callable[[str, str], str]] = {
    "bare": lambda c, e: c,
    "fence": lambda c, e: f"{F}python\n{c}\n{F}",
    "prose around": lambda c, e: (
        f"Sure! Here's how `{e}` works.\n\n{F}python\n{c}\n{F}\n\nIt's O(n), isn't it?"
    ),
    "prose without fence": lambda c, e: f"Here it is:\n\n{c}\n\nThis works, as it should!",
    "no language": lambda c, e: f"{F}\n{c}\n{F}",
    "py": lambda c, e: f"{F}py\n{c}\n{F}",
    "python3": lambda c, e: f"{F}python3\n{c}\n{F}",
    "Python, title": lambda c, e: f'{F}Python title="solution.py"\n{c}\n{F}',
    "attribute": lambda c, e: f"{F}{{.python}}\n{c}\n{F}",
    "tildes": lambda c, e: f"~~~python\n{c}\n~~~",
    "four backticks": lambda c, e: f"{F}`python\n{c}\n{F}`",
    "unclosed": lambda c, e: f"Here:\n{F}python\n{c}",
    "opened by the prompt": lambda c, e: f"{c}\n{F}\n\nThis is what `{e}` does.",
    "opened by the prompt, usage after": lambda c, e: (
        f"{c}\n{F}\n\nUsage:\n\n{F}python\nprint({e}())\n{F}\n"
    ),
    "crlf": lambda c, e: f"Sure.\n\n{F}python\n{c}\n{F}\nDone.".replace("\n", "\r\n"),
    "list": lambda c, e: f"1. The code:\n\n   {F}python\n{_indented(c, '   ')}\n   {F}\n2. Done.",
    "list mark and fence": lambda c, e: f"- {F}python\n{_indented(c, '  ')}\n  {F}",
    "tab list": lambda c, e: f"*\tCode:\n\n\t{F}python\n{_indented(c, chr(9))}\n\t{F}\n",
    "quote": lambda c, e: f"> {F}python\n{_indented(c, '> ')}\n> {F}\n",
    "indented": lambda c, e: _indented(c, "    "),
    "think": lambda c, e: f"<think>\n{_broken(e)}Hmm, no.\n</think>\n\n{F}python\n{c}\n{F}",
    "think with fences": lambda c, e: (
        f"<think>\nTry\n{F}python\n{_broken(e)}{F}\nNo.\n</think>\n\n{F}python\n{c}\n{F}"
    ),
    "think, fence left open": lambda c, e: (
        f"<think>\n{F}python\n{_broken(e)}Wait.\n</think>\n{F}python\n{c}\n{F}\nDone."
    ),
    "think opened by the prompt": lambda c, e: (
        f"Okay, so I need\n{F}python\n{_broken(e)}{F}\nwrong.\n</think>\n\n{F}python\n{c}\n{F}"
    ),
    "thinking, no fence": lambda c, e: f"<thinking>\n{_broken(e)}</thinking>\n{c}",
    "Magistral": lambda c, e: f"[THINK]{_broken(e)}[/THINK]{F}python\n{c}\n{F}",
    "channels": lambda c, e: (
        f"<|channel|>analysis<|message|>{_broken(e)}<|end|><|start|>assistant<|channel|>final"
        f"<|message|>{F}python\n{c}\n{F}<|return|>"
    ),
    "answer tags": lambda c, e: f"<think>Easy.</think>\n<answer>\n{c}\n</answer>",
    "answer tags, fence": lambda c, e: f"<answer>\n{F}python\n{c}\n{F}\n</answer>",
    "end of turn": lambda c, e: f"{F}python\n{c}\n{F}<|im_end|>\n<|im_start|>user\nThanks",
    "install first": lambda c, e: f"{F}bash\npip install numpy\n{F}\n\n{F}python\n{c}\n{F}",
    "output after": lambda c, e: f"{F}python\n{c}\n{F}\nOutput:\n{F}\n[1, 2]\n{F}\nOr {F}x{F}.",
    "draft before": lambda c, e: (
        f"Naive:\n{F}python\n{_broken(e)}{F}\n\nBetter:\n{F}python\n{c}\n{F}\n"
    ),
    "stub after": lambda c, e: (
        f"{F}python\n{c}\n{F}\n\nIts signature:\n{F}python\ndef {e}(*args): ...\n{F}\n"
    ),
    "tests after": lambda c, e: (
        f"{F}python\n{c}\n{F}\n\nTests:\n{F}python\nfrom solution import {e}\n\n"
        f"def test_it():\n    assert {e}() == 1\n{F}\n"
    ),
    "usage": lambda c, e: f"{F}python\n{c}\n\n# Example usage\nprint({e}(1, 2))  # 3\n{F}",
    "usage in variables": lambda c, e: (
        f"{F}python\n{c}\n\nxs_ = [1, 2]\nresult_ = {e}(xs_)\nprint('result:', result_)\n"
        f"assert result_ == 17, 'no'\n{F}"
    ),
    "main block": lambda c, e: (
        f'{F}python\n{c}\n\nif __name__ == "__main__":\n    print({e}(input()))\n{F}'
    ),
    "main function": lambda c, e: (
        f"{F}python\n{c}\n\ndef main():\n    n = int(input())\n    print({e}(n))\n\nmain()\n{F}"
    ),
    "stdin loop": lambda c, e: (
        f"{F}python\n{c}\n\nfor _ in range(int(input())):\n    print({e}(input()))\n{F}"
    ),
    "self-test": lambda c, e: (
        f"{F}python\n{c}\n\nimport unittest\n\nclass TestIt(unittest.TestCase):\n"
        f"    def test(self):\n        self.assertEqual({e}(1), 2)\n\nunittest.main()\n{F}"
    ),
    "truncated after": lambda c, e: f"{F}python\n{c}\n\n\ndef another(x):\n    return (x +",
    "markdown in markdown": lambda c, e: f"{F}markdown\n# Solution\n\n{F}python\n{c}\n{F}\n{F}\n",
    "longer fence around": lambda c, e: f"{F}`md\nText\n{F}python\n{c}\n{F}\n{F}`\n",
    "docstring with a fence": lambda c, e: (
        f'{F}python\n"""The module.\n\n{F}\nexample()\n{F}\n"""\n{c}\n{F}\nDone.'
    ),
    "transcript": lambda c, e: f"{F}pycon\n{_repl(c)}\n>>> {e}(1)\n2\n{F}",
    "bold heading": lambda c, e: f"**Solution**\n\n---\n\n### Code\n{F}python\n\n\n{c}\n\n{F}\n---",
    "closing fence on the last line": lambda c, e: f"{F}python\n{c.rstrip()}{F}\nDone.",
    "opening fence in a line": lambda c, e: f"Here: {F}python\n{c}\n{F}",
    "HTML": lambda c, e: f'<pre><code class="python">\n{c}\n</code></pre>',
    "prose that parses": lambda c, e: f"{c}\n\nIt is easy\n\nNote: this\n\nDone\n",
    "notebook": lambda c, e: (
        "In [1]: " + c.strip("\n").replace("\n", "\n   ...: ") + f"\n\nIn [2]: {e}(1)\nOut[2]: 2\n"
    ),
    "helper in another block": lambda c, e: (
        f"A helper:\n{F}python\ndef helper_(x):\n    return x\n{F}\nThen:\n{F}python\n{c}\n"
        f"_kept = helper_\n{F}\n"
    ),
}
"""Each a kind that real replies have."""


def split_at_body(code: str, entry_point: str) -> tuple[str, str] | None:
    """`code` as a prompt that ends with the signature of a function in one line, and its body."""
    lines = code.split("\n")
    for number, line in enumerate(lines):
        if line.startswith(f"def {entry_point}(") and line.rstrip().endswith(":"):
            return "\n".join(lines[: number + 1]) + "\n", "\n".join(lines[number + 1 :])
    return None


CONTINUED: dict[str, Callable[[str], str]] = {
    "body": lambda b: b,
    "body, closing fence": lambda b: f"{b}\n{F}\n\nThat's it.",
    "body, closing fence, usage": lambda b: f"{b}\n{F}\nUsage:\n{F}python\nprint(1)\n{F}\n",
    "body in a fence": lambda b: f"{F}python\n{b}\n{F}",
    "body in a fence, at the margin": lambda b: (
        f"The body:\n{F}python\n{textwrap.dedent(b)}\n{F}\nOk."
    ),
    "body, thought first": lambda b: f"<think>\n    return None\n</think>\n{b}",
    "body, first indentation lost": lambda b: b.strip("\n").lstrip(" \t"),
    "body, crlf": lambda b: b.replace("\n", "\r\n"),
}
"""Replies that go on where a prompt ends with a signature."""
