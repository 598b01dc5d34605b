"""Packages that lie below /tmp are mounted into the scratch folder: what is shared is not them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sv_sandbox import Layer, Pool, Verdict, libraries
from sv_sandbox import pool as pool_module

READ = "def read(path):\n    with open(path) as file: return file.read()"
TEST = """
import os, tempfile
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "x")
    with open(path, "w") as file: file.write("hello")
    assert read(path) == "hello"
"""


def test_folders_cross_beside_packages_below_tmp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(600):  # more than are looked at
        (tmp_path / f"module_{number}.py").touch()
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    here = replace(libraries.libraries(), packages=(str(tmp_path),), preload=())
    monkeypatch.setattr(pool_module, "libraries", lambda *_: here)
    with Pool(1, trust="vouched") as pool:
        matrix = pool.matrix([READ], [TEST, TEST.replace('== "hello"', '== "bye"')])
        shared = Layer.MOUNT_NAMESPACE in pool.layers
    found = matrix.verdict(0, 0), matrix.verdict(0, 1)
    expected = (Verdict.PASS if shared else Verdict.INFRA, Verdict.WRONG)
    assert found == expected


PID = "import os\ndef pid():\n    raise ValueError(os.getpid())\n"


def newest_pid(pool: Pool) -> int:
    """The number of a process that begins now; in a namespace of its own each fork counts one."""
    return int(pool.matrix([PID], ["pid()"]).detail(0, 0).removeprefix("ValueError: "))


@pytest.mark.parametrize("modules", [0, 1200])
def test_the_tests_of_a_row_share_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modules: int
) -> None:
    for number in range(modules):
        (tmp_path / f"module_{number}.py").touch()
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    here = replace(libraries.libraries(), packages=(str(tmp_path),), preload=())
    monkeypatch.setattr(pool_module, "libraries", lambda *_: here)
    tests = [f"for x in range({number}):\n    assert double(x) == 2 * x" for number in range(1, 25)]
    with Pool(1, recycle=False) as pool:
        if Layer.PID_NAMESPACE not in pool.layers:
            pytest.skip("processes are counted in a namespace of their own")
        before = newest_pid(pool)
        matrix = pool.matrix(["def double(x):\n    return 2 * x\n"], tests)
        assert {matrix.verdict(0, t) for t in range(len(tests))} == {Verdict.PASS}
        assert newest_pid(pool) - before < len(tests) / 2


MOUNTED = """
import os, subprocess
from sv_sandbox.jailed.files import look
os.makedirs("own/deep")
os.mkdir("packages")
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "packages"], check=True)
open("packages/module.py", "w").close()
open("own/deep/file", "w").close()
print(*sorted(path for path, _ in look(".")))
"""


def test_what_is_mounted_in_the_scratch_folder_is_not_looked_at(tmp_path: Path) -> None:
    command = ["unshare", "--map-root-user", "--mount", sys.executable, "-c", MOUNTED]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()[-200:]}")
    assert done.stdout.split() == ["own", "own/deep", "own/deep/file"]
