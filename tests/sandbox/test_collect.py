"""The collector against pytest itself: the same tests, in the same order, with the same outcomes.

`collected/cases.txt` holds the texts, `collected/real.py` and `collected/ours.py` run them. What
pytest cannot say (tests that the text ran itself, skips out of a solution, ...) is written here.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sv_sandbox.jailed import collect, pytest_names

HERE = Path(__file__).parent / "collected"
CASES = dict(
    one.split("\n", 1)
    for one in (HERE / "cases.txt").read_text().removeprefix("### ").split("\n### ")
)
OTHER_ORDER = {"module_fixture_params"}
"""Pytest brings tests that share a parameter of a wider fixture together; here they stay put."""


def _write(folder: Path, texts: dict[str, str]) -> list[str]:
    paths = [folder / f"case_{name}.py" for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        path.write_text(text)
    return [str(path) for path in paths]


def _outcomes(script: str, paths: list[str]) -> dict[str, dict[str, str]]:
    """By the case's name."""
    done = subprocess.run(
        [sys.executable, HERE / script, *paths], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    return {Path(path).stem.removeprefix("case_"): found[path] for path in paths}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    paths = _write(tmp_path_factory.mktemp("cases"), CASES)
    return _outcomes("real.py", paths), _outcomes("ours.py", paths)


@pytest.mark.parametrize("name", CASES)
def test_as_pytest(both: Any, name: str) -> None:
    real, ours = both[0][name], both[1][name]
    assert real, "pytest ran nothing"
    assert ours == real
    if name not in OTHER_ORDER:
        assert list(ours) == list(real)


P, F, S, U = "passed", "failed", "skipped", "unsupported"
PYTEST = "import pytest\n"
UNITTEST = (
    "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(1, 1)\n"
)
WRONG = UNITTEST + "    def test_b(self): self.assertEqual(1, 2)\n"
OURS: dict[str, tuple[str, dict[str, str]]] = {
    # ---- what the text ran itself does not run again
    "called": ("def test_a(): assert True\ntest_a()", {}),
    "called_with": ("def test(candidate): assert candidate\ntest(1)", {}),
    "check": ("def check(c): assert c\ndef test_b(): pass\ncheck(1)", {"test_b": P}),
    "called_in_loop": ("def test_a(): pass\nfor f in [test_a]: f()", {}),
    "called_in_try": ("def test_a(): pass\ntry:\n    test_a()\nexcept ValueError: pass", {}),
    "called_by_called": (
        "def test_a(): pass\ndef main(): test_a()\ndef test_b(): pass\nmain()",
        {},  # a text that runs a test of its own runs them itself
    ),
    "called_as_main": (
        "def test_a(): pass\nif __name__ == '__main__':\n    test_a()",
        {"test_a": P},
    ),
    "helper": ("def test_n(n): assert n\ndef test_b(): test_n(1)", {"test_b": P}),
    "calls_another": ("def test_a(): pass\ndef test_b(): test_a()", {"test_a": P, "test_b": P}),
    "calls_itself": ("def test_a(n=1): n and test_a(n - 1)", {"test_a": P}),
    "attribute": ("def test_a(): pass\ntest_a.slow = True", {"test_a": P}),
    "in_lambda": ("def test_a(): pass\nrun = lambda: test_a()", {"test_a": P}),
    # ---- runners neither exit nor judge
    "main": (WRONG + "unittest.main()", {"T.test_a": P, "T.test_b": F}),
    "main_no_exit": (
        WRONG + "unittest.main(argv=[''], exit=False)",
        {"T.test_a": P, "T.test_b": F},
    ),
    "main_imported": (WRONG + "from unittest import main\nmain()", {"T.test_a": P, "T.test_b": F}),
    "main_result": (
        UNITTEST + "assert unittest.main(exit=False).result.wasSuccessful()",
        {"T.test_a": P},
    ),
    "runner": (
        WRONG + "s = unittest.defaultTestLoader.loadTestsFromTestCase(T)\n"
        "r = unittest.TextTestRunner(verbosity=2).run(s)\nassert r.testsRun == 2\n"
        "import sys\nsys.exit(not r.wasSuccessful())",
        {"T.test_a": P, "T.test_b": F},
    ),
    "suite_of_some": (
        WRONG + "s = unittest.TestSuite([T('test_a')])\nunittest.TextTestRunner().run(s)",
        {"T.test_a": P},
    ),
    "suite_of_local": (
        "import unittest\ndef run():\n    class L(unittest.TestCase):\n"
        "        @classmethod\n        def setUpClass(cls): cls.x = 1\n"
        "        def test_a(self): self.assertEqual(self.x, 2)\n"
        "    unittest.TextTestRunner().run(unittest.makeSuite(L) if hasattr(unittest, 'makeSuite')"
        " else unittest.defaultTestLoader.loadTestsFromTestCase(L))\nrun()",
        {"L.test_a": F},
    ),
    "pytest_main": (PYTEST + "def test_a(): assert 0\npytest.main([__file__])", {"test_a": F}),
    "pytest_main_exit": (
        PYTEST + "def test_a(): assert 0\nimport sys\nsys.exit(pytest.main())",
        {"test_a": F},
    ),
    "pytest_main_raise": (
        PYTEST + "def test_a(): pass\nraise SystemExit(pytest.main(['-q']))",
        {"test_a": P},
    ),
    "exit_without_runner": ("def test_a(): pass\nraise SystemExit(0)", {"": F}),
    # ---- async
    "async": (
        "async def test_a(): assert 1\nasync def test_b(): assert 0",
        {"test_a": P, "test_b": F},
    ),
    "async_method": (
        "class TestA:\n    async def test_a(self): raise KeyError",
        {"TestA.test_a": F},
    ),
    "async_parameters": (
        PYTEST + "@pytest.mark.asyncio\n@pytest.mark.parametrize('n', [0, 1])\n"
        "async def test_a(n):\n    import asyncio\n    await asyncio.sleep(0)\n    assert n",
        {"test_a[0]": F, "test_a[1]": P},
    ),
    "async_fixture": (
        PYTEST + "@pytest.fixture\nasync def x(): return 1\nasync def test_a(x): pass",
        {"": S},
    ),
    "yields": ("def test_a():\n    yield 1\ndef test_b(): pass", {"test_a": F, "test_b": P}),
    # ---- what nobody here can run is no failure, and hides none
    "unknown_fixture": ("def test_a(mocker): pass\ndef test_b(): pass", {"": S}),
    "unknown_beside_failure": (
        "def test_a(mocker): pass\ndef test_b(): assert 0",
        {"test_a": U, "test_b": F},
    ),
    "unknown_by_request": ("def test_a(request): request.getfixturevalue('mocker')", {"": S}),
    "unknown_of_request": ("def test_a(request): request.config.option", {"": S}),
    "load_tests": ("def load_tests(loader, tests, pattern): return tests", {"": S}),
    "load_tests_unused": ("def load_tests(l, t, p): return t\ndef test_a(): pass", {"test_a": P}),
    "load_tests_used": (
        UNITTEST + "def load_tests(l, t, p): return t\nunittest.main()",
        {"": S},
    ),
    "unknown_name": (PYTEST + "def test_a(): pytest.nothing_like_it", {"": S}),
    "unknown_name_at_once": (PYTEST + "pytest.nothing_like_it", {"": S}),
    "unknown_import": ("from pytest import nothing_like_it", {"": S}),
    "unknown_name_asked": (PYTEST + "def test_a(): assert not hasattr(pytest, 'x')", {"test_a": P}),
    "no_such_argument": (
        PYTEST + "@pytest.mark.parametrize('y', [1])\ndef test_a(): pass",
        {"": F},
    ),
    # ---- names of the solution are no tests, and its word skips nothing
    "imported": (
        "def test_b(): test_a\n# ---- solution ----\ndef test_a(): assert 0",
        {"test_b": P},
    ),
    "solution_skips": (
        PYTEST + "def test_a(): f()\ndef test_b(): pass\n"
        "# ---- solution ----\ndef f():\n    import pytest\n    pytest.skip('no')",
        {"test_a": F, "test_b": P},
    ),
    "solution_skips_case": (
        "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): f()\n"
        "# ---- solution ----\ndef f():\n    import unittest\n    raise unittest.SkipTest('no')",
        {"T.test_a": F},
    ),
    "solution_skips_at_once": (
        "f()\n# ---- solution ----\nimport unittest\ndef f(): raise unittest.SkipTest('no')",
        {"": F},
    ),
    "solution_xfails": (
        PYTEST + "def test_a(): f()\n# ---- solution ----\ndef f():\n    import pytest\n"
        "    pytest.xfail('no')",
        {"test_a": F},
    ),
    "solution_unavailable": (
        PYTEST + "def test_a(): f()\n# ---- solution ----\ndef f():\n    import pytest\n"
        "    pytest.nothing_like_it",
        {"test_a": F},
    ),
    "decorator_drops": (
        "@f\ndef test_a(): assert 0\n# ---- solution ----\ndef f(g): return None",
        {"test_a": F},
    ),
    "solution_base": (
        "class TestA(Base):\n    def test_a(self): pass\n# ---- solution ----\nclass Base: pass",
        {"TestA.test_a": P},
    ),
    "solution_answers": (
        "def test_a(): pass\ntest_value = f()\ntest_b = g\n# ---- solution ----\nclass Any:\n"
        "    def __getattr__(self, name): raise OSError\n    def __call__(self): raise KeyError\n"
        "f = Any\ndef g(): raise KeyError",
        {"test_a": P},
    ),
    "decorator_hides": (
        "@f\ndef test_a(): assert 0\ndef test_b(): pass\n# ---- solution ----\nclass f:\n"
        "    __test__ = False\n    pytestmark = [type('Mark', (), {'name': 'skip'})]\n"
        "    def __init__(self, g): self.__call__ = self.g = g\n    def __call__(self): self.g()",
        {"test_a": F, "test_b": P},
    ),
    "base_hides": (
        "class TestA(Base):\n    def test_a(self): assert 0\n# ---- solution ----\nclass Base:\n"
        "    __module__ = 'solution'\n    __test__ = False\n    def __init__(self): pass",
        {"TestA.test_a": F},
    ),
    "length_without_items": (
        PYTEST + "def test_a(): assert f() == pytest.approx([1, 2])\n"
        "# ---- solution ----\nclass f:\n    def __len__(self): return 2\n    def"
        " __iter__(self): return iter(())",
        {"test_a": F},
    ),
    # ---- to be named is not to be run; to be made and called is
    "named_case": (
        "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): self.fail()\n"
        "for name in dir(T):\n    if name == 'test_b': delattr(T, name)\n"
        "names = [T]\nprint(T)",
        {"T.test_a": F},
    ),
    "made_case": (
        "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): pass\nT().test_a()",
        {},
    ),
    # ---- swallowed exceptions are told
    "told": (
        PYTEST + "# CAUGHT\ndef test_a():\n    with pytest.raises(ValueError): int('x')\n"
        "    pytest.raises(KeyError, {}.__getitem__, 1)\n"
        "@pytest.mark.xfail\ndef test_b(): raise OSError",
        {"test_a": P, "test_b": S, "caught": "ValueError KeyError OSError"},
    ),
    "told_by_case": (
        "import unittest\n# CAUGHT\nclass T(unittest.TestCase):\n    def test_a(self):\n"
        "        with self.assertRaises(ValueError): int('x')\n"
        "        self.assertRaisesRegex(KeyError, 'k', {}.__getitem__, 'k')\n"
        "    @unittest.expectedFailure\n    def test_b(self): self.fail()",
        {"T.test_a": P, "T.test_b": S, "caught": "ValueError KeyError AssertionError"},
    ),
    "not_told": (
        PYTEST + "# CAUGHT\ndef test_a():\n    with pytest.raises(ValueError): raise KeyError\n"
        "def test_b():\n    with pytest.raises(KeyError, match='x'): raise KeyError('y')",
        {"test_a": F, "test_b": F, "caught": ""},
    ),
}


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    texts = {name: text for name, (text, _) in OURS.items()}
    return _outcomes("ours.py", _write(tmp_path_factory.mktemp("ours"), texts))


@pytest.mark.parametrize("name", OURS)
def test_ours(ours: dict[str, dict[str, str]], name: str) -> None:
    assert ours[name] == OURS[name][1]


# ---- the outcome, in this process: nothing is installed, so no text here imports pytest ----------


def _run(text: str, **options: Any) -> collect.Outcome:
    namespace: dict[str, Any] = {"__name__": "test"}
    exec(compile(text, "<test>", "exec"), namespace)
    return collect.run(collect.tests_of(namespace, ast.parse(text)), **options)


FIVE = """
def test_a() -> None: assert 1 == 2, "unequal"
def test_b() -> None: pass
def test_c() -> None: raise ValueError("bad")
def test_d() -> None: raise KeyError
def test_e() -> None: pass
"""


def test_outcome_names_each_failure() -> None:
    outcome = _run(FIVE)
    assert outcome.passed == ["test_b", "test_e"]
    assert isinstance(outcome.error(), AssertionError)
    assert outcome.detail() == (
        "3 of 5 tests failed: test_a: AssertionError: unequal; test_c: ValueError: bad; "
        "test_d: KeyError"
    )


def test_outcome_of_passed_is_none() -> None:
    assert _run("def test_a(): pass").error() is None


def test_first_failure_ends() -> None:
    outcome = _run(FIVE, first_failure=True)
    assert list(outcome.failed) == ["test_a"]
    assert outcome.passed == []


@pytest.mark.parametrize(
    "body",
    ["raise Lost", "raise Lost  # in a class", "try:\n        raise Lost\n    finally: pass"],
)
def test_through_is_no_outcome(body: str) -> None:
    class Lost(BaseException):
        pass

    text = "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): {}\n"
    text = text.format("lost()") if "class" in body else f"def test_a():\n    {body}"
    namespace: dict[str, Any] = {"__name__": "test", "Lost": Lost}
    exec(compile(text, "<test>", "exec"), namespace)
    namespace["lost"] = lambda: (_ for _ in ()).throw(Lost)
    items = collect.tests_of(namespace, ast.parse(text))
    assert len(items) == 1
    with pytest.raises(Lost):
        collect.run(items, through=(Lost,))
    assert list(collect.run(items).failed) == [items[0].name]


def test_all_skipped_has_not_passed() -> None:
    outcome = _run("import unittest\ndef test_a(): raise unittest.SkipTest('not here')")
    error = outcome.error()
    assert isinstance(error, pytest_names.Skipped)
    assert "test_a: not here" in str(error)


def test_one_skipped_beside_passed_has_passed() -> None:
    outcome = _run(
        "import unittest\ndef test_a(): raise unittest.SkipTest('x')\ndef test_b(): pass"
    )
    assert outcome.error() is None
    assert outcome.skipped == {"test_a": "x"}


def test_exception_that_cannot_be_shown() -> None:
    text = "class E(Exception):\n    def __str__(self): raise KeyError\ndef test_a(): raise E"
    assert _run(text).detail() == "1 of 1 tests failed: test_a: E"


def test_offered_fixture() -> None:
    offered = {"five": pytest_names.Fixture(lambda: 5)}
    assert _run("def test_a(five): assert five == 5", fixtures=offered).passed == ["test_a"]
