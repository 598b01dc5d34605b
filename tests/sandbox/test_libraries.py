"""Packages of somebody's environment in the jail: found, warm, and told of."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sv_sandbox import Limits, Pool, SandboxError, Verdict, doctor
from sv_sandbox.libraries import libraries

from .tables import rows

BALLAST = 48 << 20
PACKAGES = {
    "warm/__init__.py": f"""
import os
WHO = os.getpid()
BALLAST = b"x" * {BALLAST}
__version__ = "7"
""",
    "warm/sub.py": "WORD = 'sub'",
    "cold.py": "import os\nWHO = os.getpid()",
    "frail.py": """
import builtins, os, sys
COUNT, real = [0], builtins.compile
def counted(*args, **words):
    frame = sys._getframe()
    while frame is not None and frame.f_code.co_name != "rehearse":
        frame = frame.f_back
    COUNT[0] += frame is not None
    return real(*args, **words) if COUNT[0] < 9 else os._exit(1)
builtins.compile = counted
""",
    "spoilt.py": "raise OSError('its data is missing')",
    "matplotlib/__init__.py": "import os\nFOLDER = os.environ['MPLCONFIGDIR']",
    "matplotlib/pyplot.py": "import os\nBACKEND = os.environ['MPLBACKEND']",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the packages above, and one that is installed as editable."""
    root = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", root / "env"], check=True)
    (site,) = (root / "env" / "lib").glob("python3*/site-packages")
    for name, text in PACKAGES.items():
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_text(text)
    (root / "tree").mkdir()
    (root / "tree" / "mine.py").write_text("SECRET = 1")
    (site / "mine.pth").write_text(str(root / "tree"))
    return root / "env"


@pytest.fixture(scope="module")
def pool(environment: Path) -> Iterator[Pool]:
    with Pool(1, python=environment, preload=("warm", "warm.sub")) as pool:
        yield pool


def printed(pool: Pool, program: str) -> str:
    result = pool.run(program, limits=Limits(cpu_s=5))
    assert result.verdict is Verdict.PASS, result.detail
    return result.stdout.decode().strip()


@pytest.mark.parametrize(
    "line",
    [
        "import warm",
        "import json, warm",
        "import json as j, os.path, warm as w",
        "from warm import WHO",
        "import warm.sub as s",
        "try: import warm\nexcept ImportError: pass",
        "import json; import warm",
        "def f():\n\timport warm\nf()",
        "if True:\n    from warm.sub import (\n        WORD,\n    )",
    ],
)
def test_what_is_preloaded_was_imported_before(pool: Pool, line: str) -> None:
    assert any(word in line.encode() for word in pool.libraries.words)
    ours = f"{line}\nimport os, sys; print(sys.modules['warm'].WHO == os.getpid())"
    assert printed(pool, ours) == "False"


def test_what_is_not_preloaded_is_found(pool: Pool) -> None:
    assert printed(pool, "import cold, os; print(cold.WHO == os.getpid())") == "True"


@pytest.mark.parametrize(
    "line", ["import warmth", "import a.warm", "# import warm", "x = 'import warm'", "warm = 1"]
)
def test_other_programs_stay_in_the_plain_template(pool: Pool, line: str) -> None:
    assert not pool.libraries.importing().search(line.encode())
    assert (
        printed(
            pool,
            f"try:\n {line}\n 0\nexcept ImportError: 0\nimport sys\nprint('warm' in sys.modules)",
        )
        == "False"
    )


@pytest.mark.parametrize(
    "text",
    ["import" + " " * 10**6, "import " + "a," * 10**6, "import a as b," * 10**5, ";" * 10**6],
)
def test_a_long_source_is_looked_through_once(pool: Pool, text: str) -> None:
    for pattern in (pool.libraries.importing(), pool.libraries.importing(in_test=True)):
        assert not pattern.search(text.encode())


def test_packages_of_this_environment_are_not_those_of_another(pool: Pool) -> None:
    for name in ("pytest", "psutil", "sv_sandbox", "mine"):
        result = pool.run(f"import {name}")
        assert "ModuleNotFoundError" in result.detail, name


def test_rows_of_a_matrix_find_them(pool: Pool) -> None:
    solutions = ["import warm\ndef f(x): return warm.sub.WORD * x", "def f(x): return 'sub' * x"]
    tests = ["assert f(2) == 'subsub'", "import warm.sub\nassert f(1) == warm.sub.WORD"]
    matrix = pool.matrix(solutions, tests)
    assert rows(matrix.verdict_ST) == [[Verdict.PASS] * 2] * 2


def test_the_memory_of_each_template_is_told(pool: Pool) -> None:
    sizes = pool.template_bytes()
    assert set(sizes) == {"plain", "libraries"}
    assert sizes["libraries"] > sizes["plain"] + BALLAST // 2


def test_matplotlib_draws_into_files_and_leaves_none(environment: Path) -> None:
    with Pool(1, python=environment, preload=("matplotlib",)) as pool:
        program = (
            "import matplotlib.pyplot as p, os; print(p.BACKEND, os.environ.get('MPLCONFIGDIR'))"
        )
        assert printed(pool, program) == "Agg None"
        folder = printed(pool, "import matplotlib; print(matplotlib.FOLDER)")
    assert not os.path.exists(folder)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"preload": ("absent",)}, "absent"),
        ({"preload": ("warm.absent",)}, "warm.absent"),
        ({"preload": ("cold.absent",)}, "cold.absent"),
        ({"preload": ("mine",)}, "mine"),
        ({"preload": ("../up",)}, "no name"),
        ({"preload": "warm"}, "sequence"),
        ({"python": "/nowhere"}, "does not run"),
        ({"python": "/bin/false"}, "/bin/false"),
        ({"python": "/bin/true"}, "/bin/true"),
        ({"python": "/etc"}, "does not run"),
    ],
)
def test_what_is_not_there_is_said(
    environment: Path, options: dict[str, object], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        Pool(1, **{"python": environment, **options})  # type: ignore[arg-type]


def test_a_package_that_fails_says_why(environment: Path) -> None:
    with pytest.raises(SandboxError, match="its data is missing"):
        Pool(1, python=environment, preload=("spoilt",))


def test_the_doctor_says_what_can_be_imported(environment: Path) -> None:
    report = doctor.report(python=environment, preload=("warm",))
    (warm,) = (each for each in report.libraries if each.name == "warm")
    assert (warm.importable, warm.preloaded, warm.version) == (True, True, "7")
    (numpy,) = (each for each in report.libraries if each.name == "numpy")
    assert not numpy.importable
    assert "No module named 'numpy'" in numpy.reason
    assert report.template_bytes["libraries"] > BALLAST // 2
    assert "package: warm 7, preloaded" in report.text()


def test_numpy_is_preloaded_where_it_is_there() -> None:
    pytest.importorskip("numpy", reason="NumPy is not installed here")
    assert libraries().tops == ("numpy",)
    assert "numpy.linalg" not in libraries().preload


def test_a_keeper_that_dies_while_it_rehearses_leaves_nothing_in_the_next_rows(
    environment: Path,
) -> None:
    """Packages with threads do it. It has rehearsed in the memory that rows are read from."""
    with Pool(1, python=environment, preload=("frail",)) as pool:
        for n in range(14):
            result = pool.run("import frail\nprint(input())", stdin=str(n))
            assert (result.verdict, result.stdout) == (Verdict.PASS, f"{n}\n".encode()), n
        for n in range(14):
            solutions = [f"import frail\ndef f(x): return x + {n}", "def f(x): return -1"]
            tests = [f"assert f(1) == {n + 1}", "assert f(2) == 9999"]
            matrix = pool.matrix(solutions, tests, trust="inline")
            assert rows(matrix.verdict_ST) == [
                [Verdict.PASS, Verdict.WRONG],
                [Verdict.WRONG] * 2,
            ]
        assert pool.statistics()["recycled_rows"] < 28  # those of the other interpreter at most
