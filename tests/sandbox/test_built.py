"""A native module of other sources than those beside it is told, before it judges anything."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.conftest import pytest_configure

from sv_sandbox import _native, built, doctor


@pytest.fixture
def native(tmp_path: Path) -> Path:
    """A copy of the sources."""
    if not built.NATIVE.is_dir():
        pytest.skip("no sources beside the package")
    return Path(shutil.copytree(built.NATIVE, tmp_path / "native"))


def test_built_from_the_sources_beside_it(native: Path) -> None:
    assert _native.SOURCES == built.digest(native)
    assert built.stale(native) == built.stale() == ""


@pytest.mark.parametrize("name", ["codec.c", "sv.h", "new.c", "folder/new.h", "CMakeLists.txt"])
def test_a_changed_or_new_file_makes_it_stale(native: Path, name: str) -> None:
    (native / name).parent.mkdir(exist_ok=True)
    with (native / name).open("a") as file:
        file.write("\n")
    assert "run `make setup`" in built.stale(native)


def test_a_file_that_is_gone_or_has_another_name_makes_it_stale(native: Path) -> None:
    (native / "wire.c").rename(native / "wired.c")
    assert built.stale(native)


def test_unit_tests_are_not_built_into_it(native: Path) -> None:
    (native / "tests" / "more.c").touch()
    assert not built.stale(native)


def test_a_module_that_does_not_say_is_stale(monkeypatch: pytest.MonkeyPatch, native: Path) -> None:
    monkeypatch.delattr(_native, "SOURCES")
    assert built.stale(native)


def test_an_installed_wheel_has_nothing_to_compare(tmp_path: Path) -> None:
    assert built.stale(tmp_path / "native") == ""


def test_the_tests_stop_and_the_doctor_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (built, doctor):
        monkeypatch.setattr(module, "stale", lambda: built.STALE)
    with pytest.raises(pytest.UsageError, match="built from other sources: run `make setup`"):
        pytest_configure()
    report = doctor.report()
    assert report.stale == built.STALE
    assert report.text().startswith(f"WARNING: {built.STALE}")


def test_make_notices_every_change(native: Path) -> None:
    """Also one with an old date, which no date of a file tells."""
    root = native.parent
    if shutil.which("make") is None:
        pytest.skip("no make here")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(built.NATIVE.parent / name, root)
    python = root / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")  # installs nothing
    python.chmod(0o755)

    def make(*options: str) -> int:
        return subprocess.run(
            ["make", "-C", root, *options, "setup"], capture_output=True
        ).returncode

    changed = native / "codec.c"
    assert make("-q") == 1
    assert make() == make("-q") == 0
    changed.write_text(changed.read_text() + "\n")
    os.utime(changed, (0, 0))
    assert make("-q") == 1
    assert make() == make("-q") == 0
    (native / "wire.c").unlink()
    assert make("-q") == 1
    assert make() == make("-q") == 0
    (native / "folder").mkdir()
    (native / "folder" / "new.h").touch()
    assert make("-q") == 1
