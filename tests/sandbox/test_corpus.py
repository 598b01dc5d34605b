"""The corpus: hostile and benign programs as data, each a folder with its expected verdict.

In: `tests/corpus/<class>/<case>/` with `case.toml` and the programs (format: its README).
Out: one test per case and judge. After each attack the host must be as it was: planted files,
sockets, IPC objects and a bystander process untouched, no process, file or key left, and the pool
must still judge. PASS in an attack means that the attack got what it wanted.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import gc
import importlib.util
import os
import platform
import re
import resource
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import psutil
import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from sv_sandbox import JUDGES, Level, Limits, Pool, Trust, Verdict

pytestmark = pytest.mark.xdist_group("host")  # which only one at a time may change and look at
ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests" / "corpus"
DOCUMENT = ROOT / "docs" / "attacks.md"
HONEST = ("benign", "honest-failures")
"""Classes that attack nothing; every other class is one of attacks."""
OF_THE_JUDGE = ("assertion-subversion",)
"""Classes that attack the text of a test, and ask the kernel for nothing: the same for every user
and with whatever namespaces. How a judge is killed is the matter of `hostile-tests`."""
PLACEHOLDER = re.compile(r"\{\{([A-Z_]+)\}\}")
SETTLE_S = 10.0
"""How long leftovers may take to vanish on a loaded machine; a survivor stays for ever."""
WORKERS = 2
MOST_PROCESSES = 64
"""More than zygotes, templates and spares of two workers; fewer than templates that pile up."""

# -- the cases

Expectation = Annotated[
    list[Literal["PASS", "WRONG", "EXCEPTION", "TIMEOUT", "MEMORY", "OUTPUT", "FORBIDDEN",
                 "EARLY_EXIT"]],
    Field(min_length=1),
]  # fmt: skip


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CaseLimits(_Model):
    """Those of `sv_sandbox.Limits` that a case changes."""

    cpu_s: float = 2.0
    wall_s: float = 6.0
    memory_bytes: int = 512 << 20
    processes: bool = False


class _Case(_Model):
    folder: Path
    title: str = Field(min_length=1, pattern=r"^[^\n]+$")
    why: str = Field(min_length=1, pattern=r"^[^\n]+$")
    needs: list[Literal["numpy", "x86_64"]] = []
    level: Literal["basic", "confined", "isolated"] = "basic"
    """The lowest level of the jail at which the expectation holds."""
    limits: CaseLimits = CaseLimits()

    @property
    def id(self) -> str:
        return f"{self.folder.parent.name}/{self.folder.name}"

    @property
    def hostile(self) -> bool:
        return self.folder.parent.name not in HONEST

    def sources(self, pattern: str) -> dict[str, str]:
        """Stem to text of the matching files, in the order of their names."""
        paths = sorted(self.folder.glob(pattern), key=lambda path: (len(path.stem), path.stem))
        return {path.stem: path.read_text(encoding="utf-8") for path in paths}


class CellsCase(_Case):
    """Solutions on tests: `expect.<solution>.<test>` lists the allowed verdicts."""

    kind: Literal["cells"]
    entry_point: str
    judges: list[Literal["inline", "split"]] = Field(min_length=1)
    expect: dict[str, dict[str, Expectation]]

    @model_validator(mode="after")
    def _complete(self) -> CellsCase:
        solutions, tests = set(self.sources("solution*.py")), set(self.sources("test_*.py"))
        assert solutions, "no solution*.py"
        assert tests, "no test_*.py"
        assert set(self.expect) == solutions, f"[expect] names {set(self.expect)}, not {solutions}"
        for name, row in self.expect.items():
            assert set(row) == tests, f"[expect.{name}] names {set(row)}, not {tests}"
        return self


class ProgramOutcome(_Model):
    """What a program may do; None: anything."""

    verdict: Expectation
    stdout: str | None = None
    exit_code: int | None = None


class ProgramCase(_Case):
    """Whole programs, run one after another: `expect.<program>`."""

    kind: Literal["program"]
    stdin: str = ""
    files: dict[str, str] = {}
    expect: dict[str, ProgramOutcome]

    @model_validator(mode="after")
    def _complete(self) -> ProgramCase:
        programs = set(self.sources("program*.py"))
        assert programs, "no program*.py"
        assert set(self.expect) == programs, f"[expect] names {set(self.expect)}, not {programs}"
        return self


_CASE: TypeAdapter[CellsCase | ProgramCase] = TypeAdapter(
    Annotated[CellsCase | ProgramCase, Field(discriminator="kind")]
)


def load(folder: Path) -> CellsCase | ProgramCase:
    """A case. Raises ValueError that names the folder and what is wrong with its case.toml."""
    try:
        table = tomllib.loads((folder / "case.toml").read_text(encoding="utf-8"))
        return _CASE.validate_python({**table, "folder": folder})
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder.relative_to(CORPUS)}: {error}") from error


FOLDERS = sorted(path for path in CORPUS.glob("*/*") if path.is_dir() and path.name[0] not in "._")
CASES = [load(folder) for folder in FOLDERS]
CELLS = [(case, judge) for case in CASES if isinstance(case, CellsCase) for judge in case.judges]
PROGRAMS = [case for case in CASES if isinstance(case, ProgramCase)]


def marks(case: _Case) -> list[pytest.MarkDecorator]:
    """Of the tests of a case."""
    return [pytest.mark.judge] if case.folder.parent.name in OF_THE_JUDGE else []


# -- the host that attacks are aimed at


LIMITS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]


IPC = ("shm", "sem", "msg")


def ipc_objects(name: str) -> list[list[str]]:
    """Objects of System V IPC on this machine: key, number, permissions and more."""
    try:
        lines = Path(f"/proc/sysvipc/{name}").read_text().splitlines()[1:]
    except OSError:
        return []
    return [line.split() for line in lines]


def settings(process: psutil.Process) -> dict[str, Any]:
    """What another process could change about this one."""
    with process.oneshot():
        return {
            "name": process.name(),
            "nice": process.nice(),
            "ionice": process.ionice(),
            "affinity": process.cpu_affinity(),
            "limits": [process.rlimit(number) for number in LIMITS],
            "scheduler": os.sched_getscheduler(process.pid),
            "oom": Path(f"/proc/{process.pid}/oom_score_adj").read_text(),
        }


class Host:
    """Things that a hostile program would like to read, change or reach, and whether it did."""

    def __init__(self, folder: Path) -> None:
        self.token = f"svc{secrets.token_hex(6)}"
        """In the name of whatever attacks create, so that leftovers can be told."""
        self.secret = secrets.token_hex(16)
        self._close = contextlib.ExitStack()
        self._folder = folder
        folder.chmod(0o777)  # a jail that fails must find the door open
        self._canary = folder / "canary"
        self._canary.write_text(self.secret)
        self._canary.chmod(0o666)
        self._sockets()
        self._shared_memory()
        os.environ["SV_CORPUS_SECRET"] = self.secret
        self._close.callback(os.environ.pop, "SV_CORPUS_SECRET")
        argv = [sys.executable, "-c", "import time; time.sleep(1e6)", self.token]
        self._bystander = self._close.enter_context(subprocess.Popen(argv, start_new_session=True))
        self._close.callback(self._bystander.kill)
        self._watched = [psutil.Process(self._bystander.pid), psutil.Process()]
        self._before = self._state()

    def _sockets(self) -> None:
        def bound(family: int, kind: int, address: Any) -> socket.socket:
            sock = self._close.enter_context(socket.socket(family, kind))
            sock.bind(address)
            if kind == socket.SOCK_STREAM:
                sock.listen()
            sock.setblocking(False)
            return sock

        inet, unix = socket.AF_INET, socket.AF_UNIX
        stream, datagram = socket.SOCK_STREAM, socket.SOCK_DGRAM
        self._abstract = f"sv-corpus-{secrets.token_hex(6)}"
        self._path = self._folder / "socket"
        self._tcp = bound(inet, stream, ("127.0.0.1", 0))
        self._udp = bound(inet, datagram, ("127.0.0.1", 0))
        self._doors = {
            "TCP port": self._tcp,
            "UDP port": self._udp,
            "unix socket": bound(unix, stream, str(self._path)),
            "unix datagram socket": bound(unix, datagram, f"{self._path}-dgram"),
            "abstract socket": bound(unix, stream, f"\0{self._abstract}"),
            "abstract datagram socket": bound(unix, datagram, f"\0{self._abstract}-dgram"),
        }
        for name in ("", "-dgram"):
            Path(f"{self._path}{name}").chmod(0o777)

    def _shared_memory(self) -> None:
        text = self.secret.encode()
        self._shm_file = Path("/dev/shm") / f"sv-corpus-{secrets.token_hex(6)}"
        self._shm_file.write_bytes(text)
        self._shm_file.chmod(0o666)
        self._close.callback(self._shm_file.unlink)
        # What killed runs have left stays, and somebody who lives may have its maker's pid.
        self._ipc_before = {name: {f[1] for f in ipc_objects(name)} for name in IPC}
        libc = ctypes.CDLL(None, use_errno=True)
        libc.shmat.restype = ctypes.c_void_p
        self._shm_id = libc.shmget(0, 4096, 0o1666)
        assert self._shm_id >= 0, os.strerror(ctypes.get_errno())
        self._close.callback(libc.shmctl, self._shm_id, 0, None)
        self._shm_address = libc.shmat(self._shm_id, None, 0)
        ctypes.memmove(self._shm_address, text, len(text))

    def fill(self, text: str) -> str:
        """`text` with the placeholders of this host."""
        values = {
            "CANARY": self._canary,
            "CANARY_DIR": self._folder,
            "HOST_PID": self._bystander.pid,
            "POOL_PID": os.getpid(),
            "HOST_PORT": self._tcp.getsockname()[1],
            "HOST_UDP_PORT": self._udp.getsockname()[1],
            "HOST_UNIX": self._path,
            "HOST_ABSTRACT": self._abstract,
            "HOST_SHM_ID": self._shm_id,
            "HOST_SHM_NAME": self._shm_file.name,
            "TOKEN": self.token,
            "PROJECT": ROOT,
        }
        return PLACEHOLDER.sub(lambda match: str(values[match[1]]), text)

    def _state(self) -> dict[str, Any]:
        """All that attacks must leave as it is."""
        stat = self._canary.stat()
        ipc = {name: self._ipc(name) for name in IPC}
        return {
            "canary": (self._canary.read_text(), stat.st_mode, stat.st_uid, stat.st_gid,
                       stat.st_mtime_ns, stat.st_ino, stat.st_nlink),
            "canary folder": sorted(os.listdir(self._folder)),
            "shared memory file": self._shm_file.read_bytes(),
            "shared memory segment": ctypes.string_at(self._shm_address, 64),
            "IPC objects": ipc,
            "host name": socket.gethostname(),
            "working folder": os.getcwd(),
            "settings of bystander and supervisor": [settings(p) for p in self._watched],
            "leftover files": self._leftovers(),
            "leftover processes": self._strangers(),
        }  # fmt: skip

    def _ipc(self, name: str) -> list[list[str]]:
        """New objects of System V IPC, but segments whose maker lives: other programs' own."""
        fields = [f for f in ipc_objects(name) if f[1] not in self._ipc_before[name]]
        return [f[:3] for f in fields if name != "shm" or not psutil.pid_exists(int(f[4]))]

    def _leftovers(self) -> list[str]:
        tops = ("/", "/tmp", "/var/tmp", "/dev", "/dev/shm", "/dev/mqueue", "/run", "/run/lock",
                "/etc", "/usr", "/usr/bin", "/usr/lib", "/root", "/home", "/opt", str(Path.home()),
                os.getcwd(), str(ROOT))  # fmt: skip
        found = []
        for top in dict.fromkeys(tops):
            with contextlib.suppress(OSError):
                found += [f"{top}/{name}" for name in os.listdir(top) if self.token in name]
        with contextlib.suppress(OSError):
            keys = Path("/proc/keys").read_text().splitlines()
            found += [key for key in keys if self.token in key]
        return found

    def _strangers(self) -> list[str]:
        """Processes that carry the token, but the bystander."""
        texts = {pid: told(pid, "comm") + " " + told(pid, "cmdline") for pid in processes()}
        del texts[self._bystander.pid]
        return [f"{pid}: {text!r}" for pid, text in texts.items() if self.token in text]

    def check(self) -> None:
        """Fail unless everything is as it was and nobody called."""
        assert self._bystander.poll() is None, "the bystander process was killed"
        state = self._watched[0].status()
        assert state in (psutil.STATUS_SLEEPING, psutil.STATUS_RUNNING), f"bystander is {state}"
        for name, door in self._doors.items():
            try:
                caller = door.accept() if door.type == socket.SOCK_STREAM else door.recv(4096)
            except BlockingIOError:
                continue
            pytest.fail(f"{name} of the host was reached: {caller!r}")
        now = settled(self._state, lambda state: state == self._before)
        assert now == self._before

    def close(self) -> None:
        self._close.close()


def settled(look: Any, is_good: Any) -> Any:
    """What `look()` returns once it is good, or at the end of the time for settling."""
    deadline = time.monotonic() + SETTLE_S
    while not is_good(seen := look()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return seen


# -- the pool under test

ADD = "def add(a, b):\n    return a + b\n"
NUMPY_ADD = "import numpy\n\n" + ADD
ADD_TEST = "assert add(2, 3) == 5\n"


class Subject:
    """One pool for all cases: what one attack breaks, the next case shows.

    Below this process are zygotes, below them templates, and below those, while a row runs, what
    the row has started; so an idle pool has nothing at the third level.
    """

    def __init__(self, folder: Path, *, recycled: bool = False) -> None:
        self._below_before = processes_below()
        self._fds_before = descriptors()
        self._temp = folder
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TMPDIR", str(folder))
            self.pool = Pool(WORKERS, _check_recycled=recycled)

    def works(self) -> None:
        """Fail unless every worker judges a plain cell."""
        matrix = self.pool.matrix([ADD] * WORKERS, [ADD_TEST])
        verdicts = [matrix.verdict(row, 0).name for row in range(WORKERS)]
        assert verdicts == ["PASS"] * WORKERS, "the pool is broken"

    def check(self) -> None:
        """Fail unless the pool works and nothing runs below its templates, or beside them."""
        self.works()
        left = settled(strays, lambda seen: not seen)
        assert not left, f"processes left: {left}"
        templates = settled(processes_below, lambda seen: len(seen) <= MOST_PROCESSES)
        assert len(templates) <= MOST_PROCESSES, f"templates pile up: {templates}"

    def close(self) -> None:
        """End the pool, and fail if it leaves a process, a descriptor or a file."""
        self.pool.close()
        del self.pool
        left = settled(processes_below, lambda seen: seen <= self._below_before)
        assert left <= self._below_before
        fds = settled(descriptors, lambda seen: seen == self._fds_before)
        assert fds == self._fds_before
        assert os.listdir(self._temp) == []


def processes() -> list[int]:
    """Of the whole machine."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def told(pid: int, name: str) -> str:
    """A file of a process in /proc; nothing once it is gone."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:
        return ""


def processes_below(level: int = 1) -> set[int]:
    """Descendants of this process, from this level down."""
    children: dict[int, set[int]] = {}
    for pid in processes():  # once for all: psutil reads all of /proc for each parent
        if stat := told(pid, "stat"):
            parent = int(stat.rpartition(")")[2].split()[1])
            children.setdefault(parent, set()).add(pid)
    found, generation, depth = set[int](), {os.getpid()}, 0
    while generation:
        generation = {child for pid in generation for child in children.get(pid, ())}
        depth += 1
        found |= generation if depth >= level else set()
    return found


def strays() -> set[int]:
    """What runs below a template and should not: all but what it keeps, one of each kind: which
    plans and compares, or is a subject to be used again, or what that one was at first."""
    found = processes_below(3)
    kept: dict[tuple[int, str], int] = {}
    for pid in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            kinds = ("sv-task", "sv-recycled", "sv-reference")
            if process.name() in kinds and process.ppid() not in found:
                kept[process.ppid(), process.name()] = pid
    return found - set(kept.values())


def descriptors() -> list[str]:
    """What this process has open, numbers left out."""
    gc.collect()
    targets = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the listing's own descriptor
            targets.append(re.sub(r"\d+", "N", os.readlink(f"/proc/self/fd/{name}")))
    return sorted(targets)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with tempfile.TemporaryDirectory(prefix="sv-corpus-") as folder:
        host = Host(Path(folder))
        yield host
        host.close()


@pytest.fixture(scope="module", params=[False])
def subject(host: Host, request: pytest.FixtureRequest) -> Iterator[Subject]:
    with tempfile.TemporaryDirectory(prefix="sv-corpus-pool-") as folder:
        Path(folder).chmod(0o755)
        subject = Subject(Path(folder), recycled=request.param)
        yield subject
        if hasattr(subject, "pool"):
            subject.pool.close()


def skip_unless_possible(case: _Case, pool: Pool) -> None:
    """Skip with the reason when this machine cannot show what the case is about."""
    if "numpy" in case.needs and not importlib.util.find_spec("numpy"):
        pytest.skip("NumPy is not installed")
    if "x86_64" in case.needs and platform.machine() != "x86_64":
        pytest.skip(f"system call numbers of x86_64; this machine is {platform.machine()}")
    need = Level.parse("isolated" if case.limits.processes else case.level)
    if pool.level < need:
        pytest.skip(f"holds from level {need.name.lower()} on; here: {pool.level.name.lower()}")


# -- the tests


@pytest.mark.hostile
@pytest.mark.parametrize(
    ("case", "judge"),
    [pytest.param(*x, id=f"{x[0].id}-{x[1]}", marks=marks(x[0])) for x in CELLS],
)
def test_cells(case: CellsCase, judge: str, subject: Subject, host: Host) -> None:
    """Every cell has one of its expected verdicts, and the host is as it was."""
    if judge not in JUDGES:
        pytest.skip(f"this build has no {judge} judge")
    check_cells(case, judge, subject, host)


def check_cells(case: CellsCase, judge: str, subject: Subject, host: Host) -> None:
    """The rows of a case in the pool, and what they left."""
    skip_unless_possible(case, subject.pool)
    solutions = {name: host.fill(text) for name, text in case.sources("solution*.py").items()}
    tests = {name: host.fill(text) for name, text in case.sources("test_*.py").items()}
    limits = Limits(**dataclasses.asdict(Limits()) | case.limits.model_dump())
    # Several solutions are rows that try to reach each other: side by side, then in turn.
    names = list(solutions)
    batches = [names] if len(names) == 1 else [names * 2, *([name] for name in names)]
    wrong = []
    for batch in batches:
        rows = [solutions[name] for name in batch]
        # A pass of an attack counts if it is proven; an honest one may rest on its objects' word.
        trust = Trust.PROVEN if case.hostile else Trust.VOUCHED
        matrix = subject.pool.matrix(
            rows,
            list(tests.values()),
            limits=limits,
            judge=judge,
            entry_point=case.entry_point,
            trust=trust,
            below="fail",
        )
        for s, name in enumerate(batch):
            for t, test in enumerate(tests):
                verdict, expected = matrix.verdict(s, t).name, case.expect[name][test]
                if matrix.held_ST[s, t] and verdict == "INFRA":
                    verdict = "FORBIDDEN"  # left out: it needs one process, whatever was submitted
                detail = matrix.detail(s, t)
                assert host.secret not in detail
                if verdict not in expected:
                    wrong.append(f"{name} on {test}: expected {expected}, got {verdict} ({detail})")
    assert not wrong, "\n".join(wrong)
    if case.hostile:
        host.check()
        subject.check()


@pytest.mark.hostile
@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in PROGRAMS])
def test_program(case: ProgramCase, subject: Subject, host: Host) -> None:
    """Every program ends as expected, and the host is as it was."""
    check_programs(case, subject, host)


def check_programs(case: ProgramCase, subject: Subject, host: Host) -> None:
    """The programs of a case, one after another, and what they left."""
    skip_unless_possible(case, subject.pool)
    limits = Limits(**dataclasses.asdict(Limits()) | case.limits.model_dump())
    for name, text in case.sources("program*.py").items():
        expected = case.expect[name]
        result = subject.pool.run(
            host.fill(text), stdin=case.stdin, files=case.files, limits=limits
        )
        shown = (
            f"{name}: expected {expected.verdict}, got {result.verdict.name} ({result.detail})"
            f"\nstdout: {result.stdout[-2000:]!r}\nstderr: {result.stderr[-2000:]!r}"
        )
        assert result.verdict.name in expected.verdict, shown
        assert host.secret.encode() not in result.stdout + result.stderr, "the secret got out"
        if expected.stdout is not None:
            assert result.stdout.decode() == expected.stdout, shown
        if expected.exit_code is not None:
            assert result.exit_code == expected.exit_code, shown
    if case.hostile:
        host.check()
        subject.check()


@pytest.mark.hostile
def test_the_pool_leaves_nothing(subject: Subject, host: Host) -> None:
    """After all of the above: no process, descriptor, file, segment or key of the pool."""
    subject.close()
    host.check()


RECYCLED = [case for case, judge in CELLS if judge == "split"]


@pytest.mark.hostile
@pytest.mark.parametrize("subject", [True], indirect=True)
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.id, marks=[] if "cross-cell" in case.id else [pytest.mark.slow])
        for case in RECYCLED
    ],
)
def test_cells_of_recycled_subjects(case: CellsCase, subject: Subject, host: Host) -> None:
    """The same with every row of planned calls tried in a recycled subject, of which all writable
    memory and the kernel's view are compared after each row."""
    if not subject.pool.recycles:
        pytest.skip(f"no recycled subjects here: {subject.pool.why_not_recycled}")
    check_cells(case, "split", subject, host)


@pytest.mark.hostile
@pytest.mark.parametrize("subject", [True], indirect=True)
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.id, marks=[] if "cross-cell" in case.id else [pytest.mark.slow])
        for case in PROGRAMS
    ],
)
def test_programs_of_recycled_subjects(case: ProgramCase, subject: Subject, host: Host) -> None:
    """The same with every program."""
    if not subject.pool.recycles:
        pytest.skip(f"no recycled subjects here: {subject.pool.why_not_recycled}")
    check_programs(case, subject, host)


@pytest.mark.hostile
@pytest.mark.parametrize("subject", [True], indirect=True)
def test_the_recycling_pool_leaves_nothing(subject: Subject, host: Host) -> None:
    """Nor does a pool with subjects that are kept."""
    subject.close()
    host.check()


# -- the corpus itself


@pytest.mark.parametrize(
    "folder", [pytest.param(f, id=f"{f.parent.name}/{f.name}") for f in FOLDERS]
)
def test_case_is_sound(folder: Path, host: Host) -> None:
    """Known keys, known placeholders, no stray file; attacks never expect PASS, benign always."""
    case = load(folder)
    pattern = r"(solution|test_|program)\w*\.py" if case.kind == "cells" else r"program\w*\.py"
    stray = [p.name for p in folder.iterdir() if not re.fullmatch(rf"case\.toml|{pattern}", p.name)]
    assert not stray
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", folder.name)
    for name, text in case.sources("*.py").items():
        unknown = PLACEHOLDER.sub("", host.fill(text)) if "{{" in text else ""
        assert not PLACEHOLDER.search(unknown), name
    expectations: list[list[str]] = []
    if isinstance(case, CellsCase):
        expectations = [list(allowed) for row in case.expect.values() for allowed in row.values()]
        assert any(case.entry_point in text for text in case.sources("*.py").values())
    else:
        expectations = [list(outcome.verdict) for outcome in case.expect.values()]
    for verdicts in expectations:
        assert len(set(verdicts)) == len(verdicts)
        assert all(verdict in Verdict.__members__ for verdict in verdicts)
        if case.folder.parent.name == "benign":
            assert verdicts == ["PASS"]
        else:
            assert "PASS" not in verdicts


def test_the_corpus_is_large_enough() -> None:
    """At least 170 attacks and 60 benign programs."""
    assert sum(case.hostile for case in CASES) >= 170
    assert sum(case.folder.parent.name == "benign" for case in CASES) >= 60


def test_every_class_is_documented_with_its_cases() -> None:
    """docs/attacks.md has one section per class, which lists exactly the cases that exist."""
    listed: dict[str, set[str]] = {}
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"## `([a-z-]+)`.*", line):
            listed[heading[1]] = set()
        elif entry := re.match(r"- `([a-z0-9-]+)`", line):
            listed[list(listed)[-1]].add(entry[1])
    existing: dict[str, set[str]] = {}
    for folder in FOLDERS:
        existing.setdefault(folder.parent.name, set()).add(folder.name)
    assert set(listed) == set(existing)
    for name, cases in existing.items():
        assert listed[name] == cases, name
