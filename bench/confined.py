"""Where untrusted programs run without a jail: an empty network, a normal user, a scratch folder.

Baselines have no sandbox of their own, so the machine must not be theirs to reach. `Confined`
builds the command that starts an interpreter so, and `refuse_unless_confined` is what every
baseline asks before it runs a line of anybody's program.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

NOBODY = 65534


class Unconfined(RuntimeError):
    """This machine, or this process, does not give the confinement."""


def refuse_unless_confined() -> None:
    """Raises Unconfined where there is a network interface but a loopback, or real root."""
    with open("/proc/net/dev") as file:
        interfaces = [line.split(":")[0].strip() for line in file.readlines()[2:]]
    if interfaces not in ([], ["lo"]):
        raise Unconfined("a network is in reach: start this through bench/cells.py")
    if os.geteuid() == 0:
        raise Unconfined("this is root: start this through bench/cells.py")


class Confined:
    """A scratch folder with the packages in it, and the command that runs an interpreter there."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sv-bench-"))
        self.folder.chmod(0o755)
        self.home = self.folder / "home"
        self.home.mkdir()
        self.packages = self.folder / "packages"
        self.packages.mkdir()
        self.user = NOBODY if os.geteuid() == 0 else os.geteuid()
        if os.geteuid() == 0:
            os.chown(self.home, self.user, self.user)
        self.interpreter = self._interpreter()

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def prefix(self) -> list[str]:
        """An empty network namespace; the normal user of `self.user`."""
        if os.geteuid() != 0:
            return ["unshare", "--map-current-user", "--net", "--"]
        ids = ["--reuid", str(self.user), "--regid", str(self.user), "--clear-groups"]
        return ["unshare", "--net", "--", "setpriv", *ids, "--"]

    def environment(self) -> dict[str, str]:
        """Nothing of the caller's."""
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "PYTHONPATH": str(self.packages),
            "PYTHONHASHSEED": "0",
            "LC_ALL": "C.UTF-8",
            "OPENBLAS_NUM_THREADS": "1",
        }

    def add_package(self, folder: Path, *extra: Path) -> None:
        """Copy a package, and files into it."""
        ignore = shutil.ignore_patterns("__pycache__")
        target = shutil.copytree(folder, self.packages / folder.name, ignore=ignore)
        for file in extra:
            shutil.copy(file, target)

    def _interpreter(self) -> str:
        """One that the user can run: this one, or the system's of the same version."""
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        candidates = [sys.executable, shutil.which(f"python{version}", path="/usr/bin")]
        # A started interpreter must be able to start itself again: the first start is still ours.
        again = "subprocess.run([sys.executable, '-c', 'import json'], check=True)"
        test = f"import json, subprocess, sys; {again}"
        reason = ""
        for python in filter(None, candidates):
            done = subprocess.run(
                [*self.prefix(), python, "-c", test],
                env=self.environment(),
                cwd=self.home,
                check=False,
                capture_output=True,
                text=True,
            )
            if done.returncode == 0:
                return python
            reason = done.stderr.strip().rpartition("\n")[2]
        raise Unconfined(
            f"cannot start Python {version} with `{' '.join(self.prefix())}`: {reason}"
        )
