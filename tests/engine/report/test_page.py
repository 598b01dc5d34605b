"""The page holds what the folder tells, and nothing in a text gets out of its place."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sqlite3
import zlib
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from tests.engine.loop.conftest import InProcessCells, ScriptedGenerator
from tests.engine.loop.test_loop import ScriptedTrainer, play, write
from tests.engine.report.made_run import outcome

from sv_engine.cli import main
from sv_engine.dataset.recipes import Refusal
from sv_engine.errors import EngineError
from sv_engine.execute.sandbox import Budget
from sv_engine.execute.store import file_name, save
from sv_engine.report import page
from sv_engine.report.page import FILES, as_data, render

MakeRun = Callable[..., Path]
HOSTILE = [
    "</script><script>document.title='out'</script>",
    "<img src=x onerror=document.title='out'>",
    "<!--<script>",
    "]]><svg onload=alert(1)>",
    "\u2028\u2029 line ends \x85",
    "@@DATA@@ @@SCRIPT@@",
    "&lt;/script&gt; \\u003c/script\\u003e",
    "${alert(1)} `+alert(1)+` \\",
    "'\"><style>*{display:none}</style>",
    "\u202e right to left, \x00 \x1b[31m",
    "javascript:alert(1) https://example.org/x.js",
]


class Elements(HTMLParser):
    """Counts elements, keeps scripts and attributes."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.inside_script = False
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.inside_script = tag == "script"
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self.inside_script = False

    def handle_data(self, data: str) -> None:
        if self.inside_script:
            attributes, text = self.scripts[-1]
            self.scripts[-1] = attributes, text + data

    def script(self, name: str) -> str:
        return next(text for found, text in self.scripts if found.get("id") == name)


def document(page: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Elements(page).script("data"))
    return found


def entry(page: str, block: str, place: list[int]) -> bytes:
    content = base64.b64decode(Elements(page).script(block))
    return zlib.decompress(content[place[0] : sum(place)], wbits=-15)


def made_exec(folder: Path, problems: int) -> Path:
    rng = np.random.default_rng(1)
    (folder / "matrices").mkdir(parents=True)
    for i in range(problems):
        one = outcome(f"task/{i}", rng, 6, 9)
        save(folder / "matrices" / file_name(one.problem.id), one, Budget())
    return folder


@pytest.mark.parametrize("mark", HOSTILE)
def test_no_text_gets_out_of_its_place(made_run: MakeRun, mark: str) -> None:
    plain = Elements(render(made_run("plain")))
    page = render(made_run("hostile", answer=mark, marks=[mark]))
    found = Elements(page)
    assert found.tags == plain.tags
    assert [a[:2] for a in found.attributes] == [a[:2] for a in plain.attributes]
    data = json.loads(found.script("data"))
    assert any(mark in problem[0] for problem in data["problems"])
    texts = json.loads(entry(page, "texts", data["problems"][0][8]))
    assert mark in texts["prompt"]
    assert all(mark in source for source, *_ in texts["solutions"] + texts["tests"])
    assert {answer for *_, answer in data["prompts"]} == {mark}


@pytest.mark.parametrize("mark", HOSTILE)
def test_a_name_is_data_too(tmp_path: Path, mark: str) -> None:
    """The name of a run is the user's, and stands in the title."""
    folder = made_exec(tmp_path / "exec", 1)
    (folder / "summary.json").write_text(json.dumps({"input": {"file": mark.replace("/", "|")}}))
    page = render(folder)
    assert Elements(page).tags["script"] == 5
    assert Elements(page).tags["img"] == 0


def test_data_is_ascii_without_markup() -> None:
    text = as_data({"a": HOSTILE, "nan": float("nan"), "half": "\ud800"})
    assert text.isascii()
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"a": HOSTILE, "nan": None, "half": "\ud800"}


def test_the_page_asks_for_nothing(made_run: MakeRun) -> None:
    found = Elements(render(made_run()))
    for tag, name, value in found.attributes:
        assert not name.startswith("on"), f"{tag} {name}"
        assert name not in ("src", "action", "srcset")
        assert name != "href" or value.startswith(("#", "data:,"))
    assert "url(" not in (FILES / "report.css").read_text("utf-8")
    assert "@import" not in (FILES / "report.css").read_text("utf-8")


def test_the_policy_allows_the_two_scripts_and_no_request(made_run: MakeRun) -> None:
    folder = made_run()
    found = Elements(render(folder))
    (policy,) = [v for tag, _, v in found.attributes if tag == "meta" and "default-src" in v]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "connect-src" not in rules
    run = [text for attributes, text in found.scripts if "type" not in attributes]
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in run]
    assert rules["script-src"].split() == [f"'sha256-{digest}'" for digest in digests]
    assert "connect-src" in render(folder, live=True)


def test_the_script_makes_text_nodes_only() -> None:
    script = (FILES / "report.js").read_text("utf-8")
    sinks = r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|new Function|srcdoc|\.href"
    assert not re.findall(sinks, script)
    assert re.findall(r"fetch\([^)]*\)", script) == ['fetch("stamp")']


def test_what_a_run_tells_is_there(made_run: MakeRun) -> None:
    folder = made_run(problems=6)
    page = render(folder)
    data = document(page)
    assert data["is_run"]
    assert data["config"] == (folder / "config.toml").read_text()
    (curves,) = data["curves"]
    points = curves["points"]["1"]["code_pass_at_1"]
    assert [p[0] for p in points] == [0, 1, 2]
    assert all(low < value < high and n == 400 for _, value, low, high, n in points)
    assert {(t["iteration"], t["phase"]) for t in data["training"]} == {
        (i, phase) for i in (1, 2) for phase in ("sft", "dpo")
    }
    assert all(bool(t["margin"]) == (t["phase"] == "dpo") for t in data["training"])
    assert [m["iteration"] for m in data["mix"]] == [1, 2]
    assert sum(sum(m["verdicts"].values()) for m in data["mix"]) == 6 * 64
    assert {p[1] for p in data["phases"]} == {"play", "train", "evaluate"}
    assert all(t["cells"] and t["overlap"] is not None for t in data["timelines"])
    assert {p[2] for p in data["prompts"]} == {"solve", "verify"}
    assert {s["name"] for s in data["selectors"]} >= {"b4", "random", "maxpass"}
    assert len(data["problems"]) == 6


def test_the_loop_itself_has_a_report(tmp_path: Path, cells: InProcessCells) -> None:
    play(tmp_path, ScriptedGenerator(write), cells, ScriptedTrainer())
    data = document(render(tmp_path))
    assert {p[1] for p in data["problems"]} == {1, 2}
    assert all(t["cells"] and 0 <= t["overlap"] <= 1 for t in data["timelines"])
    assert [sum(m["uses"].values()) for m in data["mix"]] == [8, 8]
    assert {p[2] for p in data["prompts"]} >= {"solve", "verify", "derive"}
    assert all(t["loss"] for t in data["training"])


def test_controls_are_drawn_beside(made_run: MakeRun) -> None:
    first, other = made_run("first"), made_run("other", kill_rates=[0.5, 0.4, 0.3])
    names = [c["name"] for c in document(render(first, [other]))["curves"]]
    assert len(names) == 2
    assert "other" in names[1]


def test_figures_of_other_sets_are_kept_and_those_without_a_temperature_are_not(
    made_run: MakeRun,
) -> None:
    folder = made_run()
    with sqlite3.connect(folder / "journal.sqlite") as connection:
        rows = [("mbpp/code_pass_at_1@0.8", 0.2), ("tokens", 3.0)]
        query = "INSERT INTO metric VALUES (1, ?, ?, NULL, 9)"
        connection.executemany(query, rows)
    (curves,) = document(render(folder))["curves"]
    assert curves["points"]["0.8"] == {"mbpp/code_pass_at_1": [[1, 0.2, 0.2, 0.2, 9]]}


def test_a_matrix_comes_out_of_its_block(made_run: MakeRun) -> None:
    page = render(made_run(problems=2, solutions=5, tests=7))
    for problem in document(page)["problems"]:
        cells = np.frombuffer(entry(page, "matrices", problem[7]), np.uint8).reshape(5, 7)
        assert set(np.unique(cells & 15)) <= {0, 1, 2, 3, 4}
        groups = json.loads(entry(page, "texts", problem[8]))["groups"]
        assert groups == sorted(groups)
        solutions, tests = problem[6]
        assert not ((cells[:solutions, :tests] & 15) > 1).any()


def test_an_exec_has_a_report(tmp_path: Path) -> None:
    data = document(render(made_exec(tmp_path / "exec", 4)))
    assert not data["is_run"]
    assert len(data["problems"]) == 4
    assert data["curves"][0]["points"] == {}


def test_a_run_that_only_began_has_a_report(made_run: MakeRun) -> None:
    data = document(render(made_run(problems=0, iterations=0)))
    assert data["problems"] == []
    assert data["mix"] == []


def test_a_thousand_problems_fit(made_run: MakeRun) -> None:
    """1,000 matrices of 64 x 64 in a file of less than 5 MB, none left out."""
    folder = made_run(problems=1000, solutions=64, tests=64)
    page = render(folder)
    assert len(page.encode()) < 5e6
    assert len(Elements(page).script("matrices")) <= 1_200_000
    data = document(page)
    assert len(data["problems"]) == 1000
    assert data["left_out"]["matrices"] == 0
    assert all(problem[7] for problem in data["problems"])


def test_the_command_writes_the_file(made_run: MakeRun, tmp_path: Path) -> None:
    folder = made_run()
    done = CliRunner().invoke(main, ["report", str(folder)], catch_exceptions=False)
    assert done.exit_code == 0
    assert (folder / "report.html").read_text().startswith("<!DOCTYPE html>")
    where = tmp_path / "no" / "such" / "report.html"
    failed = CliRunner().invoke(main, ["report", str(folder), "--out", str(where)])
    assert failed.exit_code == 1
    assert "--out" in failed.output


@pytest.mark.parametrize("content", ["", "not json", "[]"])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, content: str) -> None:
    if content:
        (tmp_path / "summary.json").write_text(content)
    with pytest.raises(EngineError):
        render(tmp_path)


def test_whatever_becomes_of_a_problem_has_a_colour_of_its_own() -> None:
    folder = Path(page.__file__).parent
    uses = 1 + 2 * len(Refusal)  # used; each refusal, and each with tests by vote
    palettes = [
        {*re.findall(r"--c(\d+):", line)}
        for line in (folder / "report.css").read_text().splitlines()
        if "--c0:" in line
    ]
    assert palettes == [{str(i) for i in range(uses)}] * 2  # light and dark
    assert f'colour("c" + (i % {uses}))' in (folder / "report.js").read_text()
