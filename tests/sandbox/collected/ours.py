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
from sv_sandbox.jailed.pytest_names import Unsupported


class Sites:
    """Prints what was swallowed, for the test of it."""

    def caught(self, error, kinds):
        seen.append(f"{type(error).__name__} as {kinds}")


seen: list[str] = []


def outcomes(path: str) -> dict[str, str]:
    collect.install(Sites())
    text = Path(path).read_text()
    module = types.ModuleType("test")
    sys.modules["test"] = module
    namespace = module.__dict__
    namespace["__file__"] = path
    try:
        exec(compile(text, "<test>", "exec", dont_inherit=True), namespace)
        outcome = collect.run(
            collect.tests_of(namespace, ast.parse(text)), pytest_fixtures.OFFERED
        )
    except BaseException as error:
        if isinstance(error, Unsupported):
            return {"": f"unsupported: {error}"}
        return {"": "skipped" if collect.no_verdict(error) else f"failed: {error!r}"}
    said = {f"caught {index}": one for index, one in enumerate(seen)} if "CAUGHT" in text else {}
    if "ERRORS" in os.environ:
        said = {f"{name}: {error!r}": "ERROR" for name, error in outcome.failed.items()}
    return {
        **dict.fromkeys(outcome.passed, "passed"),
        **dict.fromkeys(outcome.failed, "failed"),
        **dict.fromkeys(outcome.skipped, "skipped"),
        **dict.fromkeys(outcome.unsupported, "unsupported"),
        **said,
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
