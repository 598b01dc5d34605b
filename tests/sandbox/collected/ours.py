"""Run texts of tests with `sv_sandbox.jailed.collect`, each in a fork: paths in, JSON out.

    python ours.py FILE... > {"FILE": {"test": "passed" | "failed" | "skipped" | "unsupported"}}

A text that cannot be loaded is {"": reason}, one whose tests cannot be run too.
"""

import ast
import json
import os
import sys
import types
from pathlib import Path

from sv_sandbox.jailed import collect, pytest_fixtures
from sv_sandbox.jailed.pytest_names import NoSites, Unsupported

SOLUTION = "# ---- solution ----\n"
"""In a text: what follows is not the test's."""


class Sites(NoSites):
    """Keeps what was swallowed."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def caught(self, error: BaseException, kinds: object) -> None:
        self.seen.append(type(error).__name__)


def loaded(path: str, text: str, solution: str) -> list[collect.TestItem]:
    """The tests of a text, after it ran."""
    module = types.ModuleType("test")
    sys.modules["test"] = module
    namespace = module.__dict__
    namespace["__file__"] = path
    exec(compile(solution, "<solution>", "exec", dont_inherit=True), namespace)
    try:
        exec(compile(text, "<test>", "exec", dont_inherit=True), namespace)
    except SystemExit as error:
        if not collect.is_end(error):
            raise
    return collect.tests_of(namespace, ast.parse(text))


def outcomes(path: str) -> dict[str, str]:
    sites = Sites()
    collect.install(sites)
    text, _, solution = Path(path).read_text().partition(SOLUTION)
    try:
        items = loaded(path, text, solution)
        outcome = collect.run(items, pytest_fixtures.OFFERED)
    except BaseException as error:
        no_verdict = isinstance(error, Unsupported) or collect.no_verdict(error)
        return {"": "skipped" if no_verdict else "failed"}
    return {
        **dict.fromkeys((item.name for item in items), "not run"),
        **dict.fromkeys(outcome.passed, "passed"),
        **dict.fromkeys(outcome.failed, "failed"),
        **dict.fromkeys(outcome.skipped, "skipped"),
        **dict.fromkeys(outcome.unsupported, "unsupported"),
        **({"caught": " ".join(sites.seen)} if "CAUGHT" in text else {}),
    }


def forked(path: str) -> dict[str, str]:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            answer = json.dumps(outcomes(path))
        with open(write, "w") as pipe:
            pipe.write(answer)
        os._exit(0)
    os.close(write)
    with open(read) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return json.loads(answer) if answer else {"": "the process ended"}


if __name__ == "__main__":
    print(json.dumps({path: forked(path) for path in sys.argv[1:]}))
