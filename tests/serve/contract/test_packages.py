"""pandas, SciPy, SymPy, scikit-learn and matplotlib themselves, preloaded in the jail.

`SV_PACKAGES` names an environment that has them; it needs nothing of ours.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("sv_sandbox", reason="our package is not installed here")
WHERE = os.environ.get("SV_PACKAGES")
if WHERE is None:
    pytest.skip("SV_PACKAGES names no environment with pandas and others", allow_module_level=True)

PRELOAD = ("numpy", "pandas", "scipy", "sympy", "sklearn", "matplotlib")
PROGRAMS = {
    "pandas": (
        "import pandas as pd, io\nd = pd.read_csv(io.StringIO('a,b\\n1,2\\n1,3'))\n"
        "d.to_pickle('d'); print(pd.read_pickle('d').groupby('a').b.sum().to_dict())",
        "{1: 5}",
    ),
    "time zones": (
        "import pandas as pd\nprint(pd.Timestamp('2020-01-01', tz='Europe/Paris'))",
        "2020-01-01 00:00:00+01:00",
    ),
    "SciPy": (
        "from scipy import optimize as o\nprint(round(o.brentq(lambda x: x*x-2, 0, 2), 5))",
        "1.41421",
    ),
    "SymPy": ("import sympy as s\nx = s.symbols('x')\nprint(s.integrate(x**2, x))", "x**3/3"),
    "clusters": (
        "from sklearn.cluster import KMeans as K\n"
        "print(K(2, n_init=1, random_state=0).fit([[1], [2], [9]]).inertia_)",
        "0.5",
    ),
    "a forest in threads": (
        "from sklearn.ensemble import RandomForestClassifier as R\n"
        "print(R(5, random_state=0, n_jobs=2).fit([[0], [1]], [0, 1]).predict([[2]]))",
        "[1]",
    ),
    "matplotlib": (
        "import matplotlib.pyplot as plt, os\nplt.plot([1, 2]); plt.title('$x^2$')\n"
        "plt.savefig('a.png'); plt.savefig('a.svg')\nprint(os.path.getsize('a.png') > 1000)",
        "True",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def pool() -> Iterator[Any]:
    from sv_sandbox import Pool

    with Pool(1, python=WHERE, preload=PRELOAD) as pool:
        yield pool


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program(pool: Any, name: str) -> None:
    from sv_sandbox import Limits

    program, printed = PROGRAMS[name]
    result = pool.run(program, limits=Limits(cpu_s=10))
    assert result.stdout.decode().strip() == printed, result.stderr.decode()[-400:]


@pytest.mark.parametrize(("wrong", "verdict"), [(0, "PASS"), (1, "WRONG")])
@pytest.mark.parametrize(
    ("solution", "test", "trust"),
    [
        (
            "import pandas as pd\ndef f(d): return d['a'].sum() + {}",
            "import pandas as pd\nassert f(pd.DataFrame({'a': [1, 2]})) == 3",
            "inline",
        ),
        ("import sympy\ndef f(n): return sympy.Integer(n) + {}", "assert f(12) == 12", "vouched"),
        ("import sympy\ndef f(n): return int(sympy.prime(n)) + {}", "assert f(3) == 5", "proven"),
    ],
)
def test_a_cell(pool: Any, solution: str, test: str, trust: str, wrong: int, verdict: str) -> None:
    from sv_sandbox import Limits

    matrix = pool.matrix([solution.format(wrong)], [test], trust=trust, limits=Limits(cpu_s=10))
    assert matrix.verdict(0, 0).name == verdict, matrix.detail(0, 0)
