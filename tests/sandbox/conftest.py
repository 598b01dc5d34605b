"""Fixtures of the sandbox's tests: pools, a view of what a pool leaves behind, other users.

Every pool of a test session makes its scratch folders below one folder of our own, so that what
is left there is ours and nobody else's.
"""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pytest

import sv_sandbox
from sv_sandbox import JUDGES, Limits, Pool, _native
from sv_sandbox import spec as sandbox_spec
from sv_sandbox.libraries import libraries

SETTLE_S = 10.0
"""Processes end soon, not at once: how long a look at leftovers waits for them."""


_JUDGE = frozenset(
    "check collect crossing link plans provenance provenance_redteam split_honest values"
    " values_hostile values_identity values_kinds".split()
)
"""Files about what the judge says, whoever runs it and with whatever namespaces."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks them: `make test-user` leaves them to `make test`."""
    for item in items:
        if item.path.stem.removeprefix("test_") in _JUDGE:
            item.add_marker("judge")


@pytest.fixture(scope="session", autouse=True)
def scratch_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where all pools of this session put their scratch folders."""
    root = Path(tempfile.mkdtemp(prefix="sv-tests-"))
    root.chmod(0o711)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(root))
        yield root
    shutil.rmtree(root, ignore_errors=True)


def own_uids(pid: int) -> Collection[int]:
    """The uids that the templates of a root client with this pid get, in pools up to 16 workers."""
    maps = (Path(f"/proc/self/{kind}_map").read_text() for kind in ("uid", "gid"))
    return sandbox_spec.uids(16, pid, *maps) or ()


@dataclass(frozen=True)
class Traces:
    """What a process holds that a pool could leave behind."""

    fds: tuple[str, ...]
    processes: tuple[int, ...]
    shared_memory: tuple[str, ...]
    scratch: tuple[str, ...]


_STATUS = re.compile(
    r"^State:\s(?P<state>.).*^PPid:\s(?P<parent>\d+).*^Uid:\s(?P<uid>\d+)", re.MULTILINE | re.DOTALL
)


@dataclass
class Machine:
    """Looks at this process, its descendants, and what carries their uids."""

    scratch: Path
    pid: int = field(default_factory=os.getpid)

    def processes(self) -> tuple[int, ...]:
        """Descendants, and processes of our jail's uids wherever they hang."""
        uids = own_uids(self.pid)
        children: dict[int, list[int]] = {}
        found, ended = set[int](), set[int]()
        for name in filter(str.isdigit, os.listdir("/proc")):  # once: psutil reads it thrice
            try:
                text = Path(f"/proc/{name}/status").read_text(errors="replace")
            except OSError:
                continue  # it has just ended
            if told := _STATUS.search(text):
                children.setdefault(int(told["parent"]), []).append(int(name))
                if told["state"] in "ZX":
                    ended.add(int(name))  # holds nothing; its parent collects it
                elif int(told["uid"]) in uids:
                    found.add(int(name))
        generation = [self.pid]
        while generation:
            generation = [child for pid in generation for child in children.get(pid, ())]
            found.update(generation)
        return tuple(sorted(found - ended))

    def traces(self) -> Traces:
        """As it is now."""
        gc.collect()
        fds = []
        for fd in os.listdir("/proc/self/fd"):
            try:
                fds.append(os.readlink(f"/proc/self/fd/{fd}").split(":")[0])
            except FileNotFoundError:
                continue  # the listing's own descriptor
        uids = own_uids(self.pid)
        shared = [
            entry.name
            for entry in os.scandir("/dev/shm")
            if entry.stat(follow_symlinks=False).st_uid in uids
        ]
        return Traces(
            tuple(sorted(fds)),
            self.processes(),
            tuple(sorted(shared)),
            tuple(sorted(entry.name for entry in self.scratch.glob("sv-sandbox-*"))),
        )

    def left(self, before: Traces) -> dict[str, list[str | int]]:
        """What there is beyond `before`, by kind; waits SETTLE_S for it to go away."""
        end = time.monotonic() + SETTLE_S
        while True:
            now = self.traces()
            left = {
                kind.name: list(
                    (
                        Counter(getattr(now, kind.name)) - Counter(getattr(before, kind.name))
                    ).elements()
                )
                for kind in fields(Traces)
            }
            left = {kind: things for kind, things in left.items() if things}
            if not left or time.monotonic() > end:
                return left
            time.sleep(0.02)


@pytest.fixture(scope="session")
def machine(scratch_root: Path) -> Machine:
    """A view of what this process holds."""
    return Machine(scratch_root)


@pytest.fixture
def nothing_left(machine: Machine) -> Iterator[None]:
    """The test must leave no process, descriptor, shared memory or folder behind."""
    before = machine.traces()
    yield
    assert machine.left(before) == {}


@pytest.fixture(scope="session")
def untouched() -> list[str]:
    """What a private scratch shows at first: nothing, unless the interpreter lies below /tmp."""
    shown = sandbox_spec.read_only_paths(libraries())
    return sorted({Path(path).parts[2] for path in shown if path.startswith("/tmp/")})


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """Two workers, short limits."""
    with Pool(2, limits=Limits(cpu_s=0.5)) as pool:
        yield pool


@pytest.fixture(scope="module")
def forking() -> Iterator[Pool]:
    """A new process for each row."""
    with Pool(1, limits=Limits(cpu_s=0.5, wall_s=10), recycle=False) as pool:
        yield pool


@pytest.fixture(scope="module")
def recycling() -> Iterator[Pool]:
    """Every row is tried in a recycled subject, all of whose memory is compared after it."""
    with Pool(1, limits=Limits(cpu_s=0.5, wall_s=10), _check_recycled=True) as pool:
        if not pool.recycles:
            pytest.skip(f"no recycled subjects here: {pool.why_not_recycled}")
        yield pool


@pytest.fixture(params=JUDGES)
def judge(request: pytest.FixtureRequest) -> str:
    """Each judge of this build."""
    return str(request.param)


Cases = list[tuple[str, list[tuple[str, str]]]]
"""Solutions, each with its tests, each with its kind."""
_MARK = re.compile(r"^(?:===|---) (.*)\n", re.MULTILINE)


@pytest.fixture(scope="session")
def cases() -> Callable[[Path], Cases]:
    """Reads solutions and tests that are data (format: honest/README.md)."""

    def read(path: Path) -> Cases:
        first, *parts = _MARK.split(path.read_text())
        assert not first
        found: Cases = []
        for kind, text in zip(parts[::2], parts[1::2], strict=True):
            if kind == "solution":
                found.append((text, []))
            else:
                found[-1][1].append((kind, text))
        return found

    return read


Script = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def script(scratch_root: Path) -> Script:
    """Runs Python source in an interpreter of its own; `TMPDIR` is the session's scratch root."""

    def run(source: str, *, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", textwrap.dedent(source)],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env={**os.environ, "TMPDIR": str(scratch_root)},
            check=False,
        )

    return run


@dataclass(frozen=True)
class OtherUser:
    """Runs Python source as an ordinary user who can read the package but not our files."""

    interpreter: str
    packages: str
    temp: str
    uid: int = 65534

    def run(self, source: str, *, timeout_s: float = 60) -> Any:
        """The JSON that the source printed last."""
        done = subprocess.run(
            [self.interpreter, "-W", "error", "-c", textwrap.dedent(source)],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": self.packages, "TMPDIR": self.temp},
            cwd=self.temp,
            user=self.uid,
            group=self.uid,
            extra_groups=[],
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="session")
def other_user(scratch_root: Path) -> OtherUser:
    """Another, ordinary user; skips where there is none, or no interpreter in its reach."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user; this session already is an ordinary one")
    folder = scratch_root / "packages"
    if not folder.exists():
        package = folder / "sv_sandbox"
        ignore = shutil.ignore_patterns("__pycache__", "*.pyi")
        shutil.copytree(Path(sv_sandbox.__file__).parent, package, ignore=ignore)
        shutil.copy(str(_native.__file__), package)
        temp = folder / "temp"
        temp.mkdir()
        os.chown(temp, 65534, 65534)
    candidates = [sys.executable, "/usr/bin/python3", shutil.which("python3.12") or ""]
    for interpreter in filter(None, candidates):
        user = OtherUser(interpreter, str(folder), str(folder / "temp"))
        try:
            user.run("import json, sys, sv_sandbox; print(json.dumps(sys.version_info[:2]))")
        except (AssertionError, OSError):
            continue
        return user
    pytest.skip("no Python >= 3.11 that another user can read and run")
