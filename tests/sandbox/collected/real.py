"""Run texts of tests with pytest itself: paths in, JSON out, as `ours.py`."""

import json
import sys
from pathlib import Path

import pytest


class Recorder:
    def __init__(self) -> None:
        self.found: dict[str, dict[str, str]] = {path: {} for path in sys.argv[1:]}

    def note(self, nodeid: str, outcome: str) -> None:
        file, _, name = nodeid.partition("::")
        of = self.found[next(path for path in self.found if Path(path).name == Path(file).name)]
        name = name.replace("::", ".")
        if outcome == "failed" or name not in of:
            of[name] = outcome

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if "subtest" in type(report).__name__.lower():
            if report.failed:
                self.note(report.nodeid, "failed")
        elif report.when == "call" or not report.passed:
            self.note(report.nodeid, report.outcome)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if not report.passed:
            self.note(report.nodeid, report.outcome)


if __name__ == "__main__":
    recorder = Recorder()
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", "-c", "/dev/null"]
    options.append("--continue-on-collection-errors")
    out, sys.stdout = sys.stdout, sys.stderr
    pytest.main([*options, f"--rootdir={Path(sys.argv[1]).parent}", *sys.argv[1:]], [recorder])
    print(json.dumps(recorder.found), file=out)
