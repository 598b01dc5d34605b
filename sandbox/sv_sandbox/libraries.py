"""Whose interpreter and packages programs find, and which packages are imported beforehand.

In: an interpreter (or an environment's folder) and names of modules. Out: `Libraries`, which says
where the standard library and the packages lie, what the warm template with libraries imports, and
which programs are to be run there. The packages are the environment's own `site-packages`; what its
`.pth` files add (an editable install lies in somebody's working tree) is not shown to programs.

Also a script: an interpreter that runs this file prints what it is (`describe`) as JSON. It needs
the standard library only, of Python 3.11 or newer.
"""

from __future__ import annotations

import importlib.util
import json
import re
import site
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

if __name__ == "__main__" and sys.version_info < (3, 11):
    sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0])

NUMPY = ("numpy", "numpy.random", "numpy.ma", "numpy.fft", "numpy.polynomial")
"""Imported wherever NumPy is there: a judge forwards the seed that a test sets."""
ALONG = {
    "numpy": NUMPY[1:],
    "matplotlib": ("matplotlib.pyplot",),
    "scipy": ("scipy.optimize", "scipy.stats"),
    "sklearn": ("sklearn.linear_model", "sklearn.ensemble", "sklearn.model_selection"),
}
"""What a program that names a package mostly means, and would else import for itself."""
_ALIASES = {"numpy": "np", "pandas": "pd", "matplotlib": "plt"}
_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Libraries:
    """An interpreter, and what it brings."""

    executable: str
    version: str
    roots: tuple[str, ...]
    """Folders that hold the interpreter."""
    stdlib: tuple[str, ...]
    """`sys.path` of a program, without packages."""
    packages: tuple[str, ...] = ()
    """Folders of packages."""
    preload: tuple[str, ...] = ()
    """Modules that the template with libraries has imported; empty: there is no such template."""

    @property
    def tops(self) -> tuple[str, ...]:
        """Names of the packages that are preloaded."""
        return tuple(dict.fromkeys(name.partition(".")[0] for name in self.preload))

    def importing(self, in_test: bool = False) -> re.Pattern[bytes]:
        """What finds an import of a preloaded package in a source. A test may leave the import to
        the solution, so there `np.` counts as well. Linear in the length of a source."""
        if not self.preload:
            return re.compile(rb"(?!)")
        names = "|".join(map(re.escape, self.tops))
        other = rf"(?!(?:{names})\b)[\w.]++[ \t]*+(?:as[ \t]++\w++[ \t]*+)?+,[ \t]*+"
        found = rf"(?:^|[;:])[ \t]*+(?:from|import)[ \t]++(?:{other})*+(?:{names})\b"
        if in_test:
            aliases = "|".join(_ALIASES[top] for top in self.tops if top in _ALIASES)
            found += rf"|\b(?:{names}{'|' * bool(aliases)}{aliases})\."
        return re.compile(found.encode(), re.MULTILINE)


def libraries(python: str | Path | None = None, preload: Sequence[str] = ()) -> Libraries:
    """The interpreter `python` (None: this one), with `preload` and what goes along with it.

    `python` may be an environment's folder. Raises ValueError for one that does not run or is too
    old, and for modules that are not there.
    """
    if isinstance(preload, str):
        raise ValueError("preload is a sequence of names of modules, not one name")
    wrong = [name for name in preload if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", name)]
    if wrong:
        raise ValueError(f"preload: {wrong[0]!r} is no name of a module")
    wanted = list(dict.fromkeys(each for name in preload for each in (name, *ALONG.get(name, ()))))
    told = describe(*wanted, *NUMPY[:1]) if python is None else _ask(Path(python), wanted)
    absent = [name for name in told["absent"] if name in preload]
    if absent:
        raise ValueError(f"preload: {', '.join(absent)} not installed for {told['executable']}")
    if "numpy" not in told["absent"]:
        wanted = list(dict.fromkeys((*NUMPY, *wanted)))
    shown = python is not None or preload or "numpy" not in told["absent"]
    return Libraries(
        told["executable"],
        told["version"],
        tuple(told["roots"]),
        tuple(told["stdlib"]),
        tuple(told["packages"]) if shown else (),
        tuple(name for name in wanted if name not in told["absent"]),
    )


def why_not(chosen: Libraries) -> str:
    """What the first module that cannot be imported says; empty if all can."""
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    ended = _run([chosen.executable, "-I", "-c", code, *chosen.preload])
    return "" if ended.returncode == 0 else ended.stderr.strip().rpartition("\n")[2]


def standard_library() -> list[str]:
    """`sys.path` of a program under this interpreter: the standard library, nothing else."""
    paths = sysconfig.get_paths()
    stdlib = [paths["stdlib"], str(Path(paths["platstdlib"]) / "lib-dynload")]
    base = Path(sys.base_prefix) / sys.platlibdir
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return list(dict.fromkeys([*stdlib, str(base / version / "lib-dynload")]))


def describe(*names: str) -> dict[str, Any]:
    """This interpreter, JSON-able; `absent`: those of `names` that a program would not find."""
    folders = site.getsitepackages()
    if site.ENABLE_USER_SITE:
        folders.append(site.getusersitepackages())
    numpy = importlib.util.find_spec("numpy")
    if numpy is not None and numpy.origin is not None:  # wherever it was installed
        folders.append(str(Path(numpy.origin).parent.parent))
    folders = [folder for folder in dict.fromkeys(folders) if Path(folder).is_dir()]
    return {
        "executable": sys.executable,
        "version": ".".join(map(str, sys.version_info[:3])),
        "roots": [sys.base_prefix, sys.base_exec_prefix],
        "stdlib": standard_library(),
        "packages": folders,
        "absent": [name for name in names if not _is_there(name, folders)],
    }


def _is_there(name: str, folders: Sequence[str]) -> bool:
    top, *rest = name.split(".")
    if top in sys.stdlib_module_names:
        return True
    spec = PathFinder.find_spec(top, folders)
    for at, _ in enumerate(rest):
        if spec is None or spec.submodule_search_locations is None:
            return False
        below = ".".join((top, *rest[: at + 1]))
        spec = PathFinder.find_spec(below, list(spec.submodule_search_locations))
    return spec is not None


def _ask(python: Path, names: Sequence[str]) -> dict[str, Any]:
    if python.is_dir():
        python = python / "bin" / "python"
    try:  # not resolved: an environment is known by the place of its link
        ended = _run([str(python.absolute()), "-I", __file__, *names, *NUMPY[:1]])
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ValueError(f"python: {python} does not run: {error}") from None
    try:
        told: dict[str, Any] = json.loads(ended.stdout)
    except ValueError:
        said = ended.stderr.strip().rpartition("\n")[2] or "it is no Python"
        raise ValueError(f"python: {python}: {said}") from None
    return told


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS
    )


if __name__ == "__main__":
    print(json.dumps(describe(*sys.argv[1:])))
