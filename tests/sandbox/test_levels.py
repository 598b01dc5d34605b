"""Levels and layers: what is asked for, what is had, and what holds at each; as root and not."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sv_sandbox import Layer, Level, Limits, Pool, SandboxError, Verdict
from sv_sandbox.libraries import standard_library
from sv_sandbox.spec import readable_by_all, uids

from .tables import rows

LEVELS = [Level.BASIC, Level.CONFINED, Level.ISOLATED]

# Attacks that every level must refuse, and the one that only a confined file system refuses.
REFUSED_EVERYWHERE = {
    "fork": "import os; os.fork()",
    "exec": "import os; os.execv('/bin/true', ['true'])",
    "socket": "import socket; socket.socket()",
    "ptrace": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(0, 0, 0, 0) != 0: raise OSError(ctypes.get_errno(), 'ptrace')
""",
    "unshare": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x10000000) != 0: raise OSError(ctypes.get_errno(), 'unshare')
""",
    "mount": """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) != 0:
    raise OSError(ctypes.get_errno(), 'mount')
""",
    "kill the template": "import os, signal; os.kill(os.getppid() or 1, signal.SIGKILL)",
    "raise a limit": """
import resource
soft, hard = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
""",
}


IN_REACH = all(map(readable_by_all, standard_library()))
"""Whether programs can run under a uid of their own on the host's files."""


@contextlib.contextmanager
def pool_at(level: Level, workers: int = 1, **options: Any) -> Iterator[Pool]:
    """A pool at this level; skips where the machine cannot give it."""
    if level == Level.BASIC and os.geteuid() == 0 and not IN_REACH:
        pytest.skip("refused: the interpreter lies where no uid but root's can read it")
    with Pool(workers, level=level, **options) as pool:
        if pool.level < level:
            pytest.skip(f"this machine gives {pool.level.name.lower()}")
        yield pool


@pytest.mark.skipif(os.geteuid() != 0 or IN_REACH, reason="for root's own interpreter")
def test_root_is_not_let_loose_on_the_host(nothing_left: None) -> None:
    """With an interpreter that no other uid can read, Landlock has to be there."""
    with pytest.raises(SandboxError, match="an interpreter that every user can read"):
        Pool(1, level=Level.BASIC)


@pytest.mark.parametrize("level", LEVELS)
def test_modules_that_are_not_preloaded(level: Level) -> None:
    with pool_at(level) as pool:
        result = pool.run("import wave, email.mime.text, xml.dom.minidom; print('all')")
        assert result.stdout == b"all\n", result


@pytest.mark.hostile
@pytest.mark.parametrize("level", LEVELS)
def test_modes_and_times_of_host_files_stay(level: Level, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    file.chmod(0o666)
    before = file.stat()
    source = f"""
import contextlib, os, shutil
open('a', 'w').write('mine')
shutil.copy('a', 'b')
print(open('b').read())
for act in (os.chmod, os.utime):
    for arguments in ((0,), ((1, 1),)):
        with contextlib.suppress(OSError, TypeError):
            act({str(file)!r}, *arguments)
"""
    with pool_at(level) as pool:
        if Layer.OWN_UID not in pool.layers:
            assert os.stat(file).st_uid == os.getuid()  # else permission alone would refuse
        assert pool.run(source).stdout == b"mine\n"
    after = file.stat()
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)


@pytest.mark.parametrize("level", LEVELS)
def test_the_matrix_is_the_same_at_every_level(level: Level, nothing_left: None) -> None:
    with pool_at(level, 2, limits=Limits(cpu_s=0.3)) as pool:
        assert pool.level == level
        m = pool.matrix(
            [
                "def f(x): return x + 1",
                "def f(x):\n    open('mine', 'w').write('x')\n    return x",
                "def f(x):\n    while True: pass",
                "import os\ndef f(x): return os.fork()",
            ],
            ["assert f(1) == 2", "assert f(2) == 2"],
        )
        assert rows(m.verdict_ST) == [
            [Verdict.PASS, Verdict.WRONG],
            [Verdict.WRONG, Verdict.PASS],
            [Verdict.TIMEOUT] * 2,
            [Verdict.FORBIDDEN] * 2,
        ]
        result = pool.run("print(open('a').read() + input())", stdin="b", files={"a": "a"})
        assert result.stdout == b"ab\n", result


@pytest.mark.hostile
@pytest.mark.parametrize("level", LEVELS)
def test_what_every_level_refuses(level: Level, nothing_left: None) -> None:
    with pool_at(level, limits=Limits(cpu_s=0.5)) as pool:
        for name, source in REFUSED_EVERYWHERE.items():
            result = pool.run(source)
            if name == "raise a limit":
                assert result.verdict in (Verdict.EXCEPTION, Verdict.FORBIDDEN), (name, result)
            else:
                assert result.verdict is Verdict.FORBIDDEN, (name, result)
        assert pool.statistics()["infra_rows"] == 0


@pytest.mark.hostile
@pytest.mark.parametrize("level", [Level.CONFINED, Level.ISOLATED])
def test_confined_levels_hide_files(level: Level, repository: Any) -> None:
    secret = repository / "pyproject.toml"
    with pool_at(level) as pool:
        result = pool.run(f"open({str(secret)!r}).read()")
        assert result.verdict in (Verdict.FORBIDDEN, Verdict.EXCEPTION), result
        assert b"project" not in result.stdout
        written = pool.run("open('/usr/x', 'w')")
        assert written.verdict is Verdict.FORBIDDEN, written


STANDARD_FILES = [
    "print(len(open('/dev/stdin').read().split()))",
    "import sys\nsys.stdin = open('/dev/stdin')\nprint(len(input().split()))",
    "print(len(open('/dev/fd/0').read().split()))",
    "print(len(open('/proc/self/fd/0').read().split()))",
    "import io\nprint(len(io.FileIO('/dev/stdin').read().split()))",
    "import os\nprint(len(os.read(os.open('/dev/stdin', os.O_RDONLY), 99).split()))",
    "from pathlib import Path\nprint(len(Path('/dev/stdin').read_text().split()))",
    "import fileinput\nprint(sum(len(line.split()) for line in fileinput.input('/dev/stdin')))",
    "import shutil\nshutil.copyfile('/dev/stdin', 'x')\nprint(len(open('x').read().split()))",
    "import os\nassert os.path.exists('/dev/stdin')\nprint(3)",
    "open('/dev/stdout', 'w').write('3')",
    "print('3', file=open('/dev/fd/1', 'w'))",
    "print('3', file=open('/proc/self/fd/1', 'a'))",
    "print('no', file=open('/dev/stderr', 'w')); print(3)",
    "print('3', file=open('/dev/stdout', 'w'), flush=True); open('/dev/null', 'w').write('x')",
]


@pytest.mark.parametrize("level", LEVELS)
def test_standard_files_have_names(level: Level) -> None:
    """Whatever uid a program has; and they are its own only, to be read or written as they are."""
    with pool_at(level) as pool:
        for program in STANDARD_FILES:
            result = pool.run(program, stdin="a b c\n", expected="3")
            assert result.verdict is Verdict.PASS, (program, result)
        for program in ("open('/dev/stdout').read()", "open('/dev/stdin', 'w').write('x')"):
            result = pool.run(program, stdin="a")
            assert result.verdict in (Verdict.FORBIDDEN, Verdict.EXCEPTION), (program, result)
        assert pool.run("print(open('/dev/stdin').read())").stdout == b"\n"


@pytest.mark.hostile
def test_what_lies_below_proc_tells_nothing() -> None:
    """The names of a process's own files, and no content; of no other process even that."""
    source = """
import os
shown = [name for name in os.listdir('/proc') if name.isdigit()]
assert shown in ([], [str(os.getpid())]), shown
for folder, _, names in os.walk('/proc'):
    for name in names:
        path = os.path.join(folder, name)
        if not os.path.islink(path):
            for mode in ('rb', 'r+b', 'ab'):
                try:
                    open(path, mode).read(1)
                except OSError:
                    continue
                raise AssertionError((path, mode))
print('nothing')
"""
    with pool_at(Level.ISOLATED, limits=Limits(cpu_s=10)) as pool:
        result = pool.run(
            "import os\nif os.path.isdir('/proc'):\n" + textwrap.indent(source, "    ")
        )
        assert result.verdict is Verdict.PASS, result
        told = pool.run("open('/proc/self/mountinfo').read()")
        assert told.verdict in (Verdict.FORBIDDEN, Verdict.EXCEPTION), told


@pytest.mark.parametrize("level", LEVELS)
def test_scratch_is_empty_for_every_row(
    level: Level, untouched: list[str], nothing_left: None
) -> None:
    source = """
import os
print(sorted(os.listdir('.')))
os.makedirs('a/b')
open('a/b/c', 'w').close()
os.chmod('a', 0)
"""
    with pool_at(level) as pool:
        shown = untouched if Layer.MOUNT_NAMESPACE in pool.layers else []
        assert [pool.run(source).stdout for _ in range(3)] == [f"{shown}\n".encode()] * 3


@pytest.mark.hostile
@pytest.mark.parametrize("level", LEVELS)
def test_folders_too_deep_to_walk(level: Level, nothing_left: None) -> None:
    """Deeper than any path may be long, and closed."""
    source = """
import os
for _ in range(3000):
    open('file', 'w').close()
    os.mkdir('folder')
    os.chdir('folder')
    os.chmod('..', 0)
"""
    with pool_at(level, limits=Limits(cpu_s=2)) as pool:
        pool.run(source)
        assert pool.run("import os; print(len(os.listdir('.')))").verdict is Verdict.PASS


@pytest.mark.parametrize("level", [Level.BASIC, Level.CONFINED])
def test_require_refuses_a_lower_level(level: Level, nothing_left: None) -> None:
    with pool_at(level):
        pass  # so much it can give
    with pytest.raises(SandboxError, match="isolated is required"):
        Pool(1, level=level, require=Level.ISOLATED)
    with pytest.raises(SandboxError, match="isolated is required"):
        Pool(1, level=level.name.lower(), require="isolated")


def test_processes_need_a_pid_namespace() -> None:
    with pool_at(Level.CONFINED) as pool, pytest.raises(SandboxError, match="pid namespace"):
        pool.run("pass", limits=Limits(processes=True))


@pytest.mark.parametrize(
    ("policy", "code", "verdict"),
    [("errno", 0, Verdict.PASS), ("kill", None, Verdict.FORBIDDEN)],
)
def test_policy_for_calls_off_the_list(policy: str, code: int | None, verdict: Verdict) -> None:
    source = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x10000000) == -1 and ctypes.get_errno() == 1
"""
    with Pool(1, policy=policy) as pool:
        result = pool.run(source)
        assert (result.verdict, result.exit_code) == (verdict, code), result
        assert pool.run("print(1)").stdout == b"1\n"


def test_levels_of_layers() -> None:
    everything = Layer((1 << 12) - 1)
    assert Level.of(everything) is Level.ISOLATED
    assert Level.of(everything & ~Layer.USER_NAMESPACE) is Level.ISOLATED
    assert Level.of(everything & ~Layer.PID_NAMESPACE) is Level.CONFINED
    assert Level.of(everything & ~Layer.SECCOMP) is Level.NONE
    basic = Layer.SECCOMP | Layer.RLIMITS | Layer.NO_NEW_PRIVS | Layer.CAPABILITIES
    assert Level.of(basic) is Level.BASIC
    assert Level.of(basic | Layer.LANDLOCK) is Level.CONFINED
    assert Level.of(Layer(0)) is Level.NONE
    assert Level.parse("Isolated") is Level.ISOLATED
    with pytest.raises(ValueError, match="none, basic, confined, isolated"):
        Level.parse("best")


def test_root_gives_templates_a_uid_of_their_own() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with Pool(1) as pool:
        assert Layer.OWN_UID in pool.layers


ORDINARY = """
import json, os
from sv_sandbox import Level, Limits, Pool, SandboxError, Verdict
def attempt():
    with Pool(2, level={level!r}, limits=Limits(cpu_s=0.3)) as pool:
        m = pool.matrix(
            ['def f(x): return x', 'def f(x):\\n while True: pass', 'import os\\nos.fork()',
             'def f(x):\\n open("t", "w").write("x")\\n return x'],
            ['assert f(1) == 1', 'assert f(1) == 2'],
        )
        r = pool.run('print(input() + open("a").read())', stdin='b', files={{'a': 'c'}})
        hidden = pool.run("open('/etc/hostname')").verdict.name
        return dict(level=pool.level.name, layers=pool.layers.name or str(pool.layers),
                    verdicts=m.verdict_ST.tolist(), out=r.stdout.decode(), hidden=hidden,
                    detail=[m.detail(s, 0) for s in range(4)], uid=os.getuid())
try:
    answer = attempt()
except SandboxError as error:
    answer = dict(error=str(error))
answer['left'] = sorted(os.listdir(os.environ['TMPDIR']))
print(json.dumps(answer))
"""


@pytest.mark.parametrize("level", LEVELS)
def test_as_an_ordinary_user(other_user: Any, level: Level) -> None:
    answer = other_user.run(ORDINARY.format(level=level.name.lower()))
    assert "error" not in answer, answer
    assert answer["uid"] == 65534
    assert Level[answer["level"]] <= level
    assert answer["verdicts"] == [
        [Verdict.PASS, Verdict.WRONG],
        [Verdict.TIMEOUT] * 2,
        [Verdict.FORBIDDEN] * 2,
        [Verdict.PASS, Verdict.WRONG],
    ], answer
    assert answer["out"] == "bc\n"
    if Level[answer["level"]] >= Level.CONFINED:
        assert answer["hidden"] in ("EXCEPTION", "FORBIDDEN")
    assert answer["left"] == []


def test_an_ordinary_user_is_told_what_is_missing(other_user: Any) -> None:
    answer = other_user.run(
        "import json; from sv_sandbox import doctor; r = doctor.report();"
        "print(json.dumps([r.to_dict(), r.text()]))"
    )
    report, text = answer
    own_uid = next(layer for layer in report["layers"] if layer["name"] == "own-uid")
    assert not own_uid["active"]
    assert "root" in own_uid["reason"]
    assert "uid 65534" in text


# ---- user namespaces that others made: rootless containers ---------------------------------------

FULL_MAP = "         0          0 4294967295\n"


@pytest.mark.parametrize(
    ("uid_map", "gid_map", "workers", "expected"),
    [
        (FULL_MAP, FULL_MAP, 2, range(2_000_000, 2_006_144)),
        ("0 100000 65536\n", "0 100000 65536\n", 2, range(20_000, 20_018)),
        ("0 1000 1\n1 100000 65536\n", "0 1000 1\n1 100000 65536\n", 2, range(20_000, 20_018)),
        ("0 100000 65536\n", "0 100000 65536\n", 500, range(20_000, 23_006)),
        (FULL_MAP, "0 0 65536\n", 2, range(20_000, 20_018)),
        (FULL_MAP, "0 0 1\n", 2, None),
        ("0 1000 1\n", "0 1000 1\n", 2, None),
        ("0 100000 1000\n", "0 100000 1000\n", 2, None),
        ("0 100000 65536\n", "0 100000 65536\n", 50_000, None),
        ("", "", 2, None),
    ],
)
def test_uids_are_of_those_that_are_mapped(
    uid_map: str, gid_map: str, workers: int, expected: range | None
) -> None:
    assert uids(workers, 0, uid_map, gid_map) == expected
    blocks = {uids(workers, pid, uid_map, gid_map) for pid in range(600)}
    for one, other in itertools.combinations(filter(None, blocks), 2):
        assert one.stop <= other.start or other.stop <= one.start


IN_A_CONTAINER = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x10020000) != 0:  # CLONE_NEWUSER | CLONE_NEWNS
    sys.exit(77)
print("unshared", flush=True)
sys.stdin.readline()
os.setresgid(0, 0, 0)
os.setresuid(0, 0, 0)
if sys.argv[1] == "unprivileged":  # no namespaces, and of root's capabilities not the greatest
    with open("/proc/sys/user/max_user_namespaces", "w") as file:
        file.write("0")
    libc.prctl(24, 21, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_SYS_ADMIN; what is executed has it no more
os.execv(sys.executable, [sys.executable, "-c", sys.argv[2]])
"""

POOL_IN_A_CONTAINER = """
from sv_sandbox import Layer, Limits, Pool
with Pool(2, limits=Limits(cpu_s=5)) as pool:
    m = pool.matrix(["def f(x): return x", "import os\\nos.fork()"], ["assert f(1) == 1"])
    n = pool.matrix(["import numpy\\ndef f(x): return x"], ["x = f(2)\\nassert x == 2"])
    r = pool.run("print(input())", stdin="a", expected="a")
    print(pool.level.name, Layer.OWN_UID in pool.layers, m.verdict_ST.tolist(),
          n.verdict_ST.tolist(), r.verdict.name, flush=True)
"""


def in_a_container(count: int, kind: str, scratch_root: Path) -> list[str]:
    """Of a pool of root in a user namespace with so many ids: level, own uids, verdicts."""
    if os.geteuid() != 0 and count > 1:
        pytest.skip("needs root, or newuidmap, to map more than one uid")
    with subprocess.Popen(
        [sys.executable, "-c", IN_A_CONTAINER, kind, POOL_IN_A_CONTAINER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(scratch_root)},
    ) as child:
        assert child.stdout is not None
        if not child.stdout.readline():
            assert child.wait(20) == 77
            pytest.skip("this machine makes no user namespaces")
        if os.geteuid() != 0:
            Path(f"/proc/{child.pid}/setgroups").write_text("deny")
        for which, own in (("uid", os.geteuid()), ("gid", os.getegid())):
            Path(f"/proc/{child.pid}/{which}_map").write_text(f"0 {own} {count}")
        out, _ = child.communicate("go\n", timeout=120)
    assert child.returncode == 0
    return out.strip().split(maxsplit=2)


@pytest.mark.parametrize("count", [65_536, 4_294_967_295, 1000, 1])
def test_root_in_a_user_namespace(count: int, scratch_root: Path) -> None:
    """Whatever a container maps for its root: a pool starts, at the level of the bare machine."""
    with Pool(1) as pool:
        bare = pool.level.name
    found = in_a_container(count, "rootless", scratch_root)
    assert found == [bare, str(count > 60_000), "[[1], [7]] [[1]] PASS"]


@pytest.mark.parametrize("count", [65_536, 1000])
def test_root_in_a_container_without_privileges(count: int, scratch_root: Path) -> None:
    """As under `docker run` with its own seccomp profile: no namespaces to be had."""
    with pool_at(Level.CONFINED) as pool:
        bare = pool.level.name
    found = in_a_container(count, "unprivileged", scratch_root)
    assert found == [bare, str(count > 60_000 and IN_REACH), "[[1], [7]] [[1]] PASS"]
