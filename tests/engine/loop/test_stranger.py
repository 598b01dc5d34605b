"""A stranger's model on a stranger's problems: real vLLM, sandbox and trainer; killed and resumed.

The model is `stranger.make`, the problems are MBPP's own file or those that the model invents. Each
run is killed (SIGKILL to its process group) at random moments of three phases.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.engine import stranger

from sv_engine.config.layers import load
from sv_engine.problems import sources
from sv_engine.run.journal import FILE_NAME

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("default"),
]

SETTINGS = {
    "run.iterations": 2,
    "model.dtype": "float32",
    "model.prompt_format": "auto",
    "problems.count": 3,
    "generate.solutions": 8,
    "generate.tests": 8,
    "generate.suites_per_solution": 2,
    "generate.max_tokens": 24,
    "generate.max_asserts": 3,
    "generate.derivations": 1,
    "generate.agreement": 0.0,
    "generate.kv_cache_mib": 64,
    "generate.max_model_len": 4096,
    "roles.templates": "chat",
    "execute.workers": 1,
    "recipe.min_input_size": 0,
    "recipe.min_solution_samples": 1,
    "recipe.min_tests": 1,
    "recipe.pair_tests": "any",
    "sft.batch_size": 8,
    "sft.epochs": 1,
    "sft.learning_rate": 0.01,
    "dpo.learning_rate": 0.001,
    "dpo.batch_size": 8,
    "train.max_length": 3000,
    "train.lora_rank": 8,
    "train.threads": 1,
    "evaluate.problems": 2,
    "evaluate.samples": 2,
    "evaluate.temperatures": [1.0],
    "evaluate.k": [1, 2],
}
VARIANTS: dict[str, dict[str, Any]] = {
    "describe, critique": {
        "problems.source": "describe",
        "generate.critique": True,
        "generate.sleep_while_training": False,
    },
    "MBPP, problem and solution": {
        "problems.source": "jsonl",
        "roles.verifier_sees": "solution",
        "recipe.name": "sol-ver",
        "generate.sleep_while_training": False,
    },
}
METHODS = {"lora": "Qwen2", "full": "Llama"}
"""What is trained, and of which architecture."""
START = "from sv_engine.cli import main; main()"


@pytest.fixture(scope="module")
def place(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model, the snippets and a link to MBPP's file."""
    mbpp = repository.parent / "shared" / "data" / "mbpp.jsonl"
    for near in (mbpp, repository.parents[1] / "shared" / "data" / "mbpp.jsonl"):
        if near.exists():
            mbpp = near
    if not mbpp.exists():
        pytest.skip("needs MBPP's file in ../shared/data")
    folder = tmp_path_factory.mktemp("stranger")
    (folder / "mbpp.jsonl").symlink_to(mbpp.resolve())
    snippets = [{"text": f"print(sum(range({n})))"} for n in range(40)]
    (folder / "seeds.jsonl").write_text("\n".join(map(json.dumps, snippets)))
    rng = random.Random(0)
    config = load(settings=settings(folder, "MBPP, problem and solution", "full"))
    answers = stranger.described_answers(rng)
    groups = [sources.unlabelled(config, iteration)[:4] for iteration in (1, 2)]
    groups.append([item.problem for item in sources.heldout(config.evaluate)])
    for problems in groups:
        rows = stranger.mbpp_rows(folder / "mbpp.jsonl", [p.id for p in problems])
        answers += stranger.mbpp_answers(rows, [p.entry_point for p in problems], rng)
    for method, architecture in METHODS.items():
        stranger.make(folder / method, answers, architecture)
    return folder


def settings(folder: Path, variant: str, method: str, **more: Any) -> list[str]:
    described = VARIANTS[variant]["problems.source"] == "describe"
    chosen = {
        **SETTINGS,
        **VARIANTS[variant],
        "model.path": str(folder / method),
        "problems.path": str(folder / ("seeds.jsonl" if described else "mbpp.jsonl")),
        "evaluate.source": "jsonl",
        "evaluate.path": str(folder / "mbpp.jsonl"),
        "train.method": method,
        **more,
    }
    return [f"{key}={json.dumps(value)}" for key, value in chosen.items()]


def start(arguments: Sequence[object], log: Path) -> subprocess.Popen[bytes]:
    """The command in a process group of its own, its output in a file."""
    command = [sys.executable, "-c", START, *map(str, arguments)]
    with log.open("ab") as file:
        return subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True)


def run_to_its_end(arguments: Sequence[object], log: Path) -> int:
    with start(arguments, log) as process:
        return process.wait()


TABLES = {
    "completion": "iteration, stage, problem_id, role, occurrence, prompt_key, sample, text",
    "outcome": "iteration, stage, problem_id, packed",
    "selection": "iteration, problem_id, outcome",
    "checkpoint": "iteration, weights, adapter",
    "metric": "*",
}


def rows(out: Path) -> dict[str, set[Any]]:
    """What a run has journalled; nothing before there is a journal."""
    if not (out / FILE_NAME).exists():
        return {table: set() for table in TABLES}
    with sqlite3.connect(out / FILE_NAME) as connection:
        return {
            table: set(connection.execute(f"SELECT {columns} FROM {table}").fetchall())
            for table, columns in TABLES.items()
        }


def count(out: Path, query: str) -> int:
    """0 while the tables are not there."""
    if not (out / FILE_NAME).exists():
        return 0
    with contextlib.suppress(sqlite3.OperationalError), sqlite3.connect(out / FILE_NAME) as found:
        return int(found.execute(query).fetchone()[0])
    return 0


def moments(out: Path, rng: random.Random) -> list[Callable[[], bool]]:
    """In the first play, while it trains, and after the first checkpoint: until then it runs."""
    samples, later = rng.randint(1, 40), rng.randint(1, 20)
    play = "SELECT count(*) FROM completion WHERE stage = 'play' AND iteration = 1"
    after = "SELECT count(*) FROM completion WHERE iteration = 1 AND stage LIKE 'heldout%'"
    after += " OR iteration = 2"
    return [
        lambda: count(out, play) >= samples,
        lambda: (out / "iteration_1" / "model.log").exists(),
        lambda: count(out, after) >= later,
    ]


def killed_thrice(arguments: Sequence[object], out: Path, seed: int) -> list[dict[str, set[Any]]]:
    """Start, kill and resume; what was journalled at each kill. Then resume to the end."""
    snapshots: list[dict[str, set[Any]]] = []
    log = out.with_suffix(".log")
    for moment in moments(out, random.Random(seed)):
        process = start(arguments if not snapshots else ["run", "--resume", out], log)
        while not moment():
            assert process.poll() is None, log.read_text()[-4000:]
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        snapshots.append(rows(out))
    assert run_to_its_end(["run", "--resume", out], log) == 0, log.read_text()[-4000:]
    return snapshots


def check(out: Path, snapshots: Sequence[dict[str, set[Any]]]) -> None:
    """Nothing lost, nothing twice, everything that was planned, and weights that were served."""
    final = rows(out)
    for snapshot in snapshots:
        for table, found in snapshot.items():
            assert found <= final[table], table
    with sqlite3.connect(out / FILE_NAME) as connection:
        per_request = connection.execute(
            "SELECT role, count(*), max(sample) + 1 FROM completion WHERE stage = 'play'"
            " GROUP BY iteration, problem_id, role, occurrence, prompt_key, sampling"
        ).fetchall()
    assert {n for role, n, _ in per_request if role == "solve"} == {8}
    assert all(n == highest for _, n, highest in per_request)
    summary = json.loads((out / "summary.json").read_text())
    assert [iteration["iteration"] for iteration in summary["iterations"]] == [0, 1, 2]
    for iteration in summary["iterations"][1:]:
        assert iteration["trained"]["sft"]["steps"] > 0
        assert iteration["refused"]["count"] == 0
    assert run_to_its_end(["replay", out], out.with_suffix(".log")) == 0
    exported = out.with_suffix(".sft.jsonl")
    assert run_to_its_end(["export", out, "--format", "sft", "--to", exported], log_of(out)) == 0
    first = json.loads(exported.read_text().splitlines()[0])
    assert first["prompt"][0]["role"] == "user"


def log_of(out: Path) -> Path:
    return out.with_suffix(".log")


def texts(out: Path, iteration: int) -> list[tuple[str, str]]:
    """What was sampled of the held-out problems."""
    query = "SELECT problem_id || role || sample, text FROM completion WHERE iteration = ? AND "
    with sqlite3.connect(out / FILE_NAME) as connection:
        found = connection.execute(query + "stage LIKE 'heldout%' ORDER BY 1", [iteration])
        return found.fetchall()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_in_process(place: Path, tmp_path: Path, variant: str, method: str) -> None:
    out = tmp_path / "out"
    chosen = [x for setting in settings(place, variant, method) for x in ("--set", setting)]
    snapshots = killed_thrice(["run", "--out", out, *chosen], out, seed=len(variant + method))
    check(out, snapshots)
    assert texts(out, 1) != texts(out, 0)


# ---- through a server ---------------------------------------------------------------------------


class Server:
    """A real `vllm.entrypoints.openai.api_server`."""

    def __init__(self, model: Path, folder: Path, *arguments: str, able: bool = True) -> None:
        """able: whether weights may be changed."""
        abilities = ("VLLM_ALLOW_RUNTIME_LORA_UPDATING", "VLLM_SERVER_DEV_MODE")
        self._abilities = {name: str(int(able)) for name in abilities}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.root = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        self._command = [
            *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
            *("--model", str(model), "--host", "127.0.0.1", "--port", str(self.port)),
            *("--dtype", "float32", "--enforce-eager"),
            *("--no-enable-chunked-prefill", "--disable-log-stats", *arguments),
        ]
        self.start()

    def start(self) -> None:
        environment = {
            **os.environ,
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": "1",
            **self._abilities,
        }
        with self.log.open("ab") as file:
            self.process = subprocess.Popen(
                self._command, env=environment, stdout=file, stderr=file, start_new_session=True
            )
        while not self._is_ready():
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            time.sleep(0.5)

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError, urllib.error.URLError):
            return bool(urllib.request.urlopen(f"{self.root}/health", timeout=5).status == 200)
        return False

    def models(self) -> list[str]:
        """Names of what it serves."""
        with urllib.request.urlopen(f"{self.root}/v1/models") as answer:
            return [model["id"] for model in json.load(answer)["data"]]

    def kill(self) -> None:
        """With all its processes."""
        tree = [self.process, *psutil.Process(self.process.pid).children(recursive=True)]
        for process in tree:
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                process.kill()
        self.process.wait()


@pytest.fixture
def served(
    place: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Server, str]]:
    """A server that can take what a method trains."""
    method = request.param
    arguments = {
        "lora": ["--enable-lora", "--max-loras", "1", "--max-lora-rank", "8"],
        "full": ["--worker-extension-cls", "sv_engine.generate.vllm_worker.WeightReader"],
    }
    server = Server(place / method, tmp_path, *arguments[method])
    yield server, method
    server.kill()


@pytest.mark.parametrize("served", METHODS, indirect=True)
def test_through_a_server(place: Path, tmp_path: Path, served: tuple[Server, str]) -> None:
    """Two runs on one server: the second finds it as the first did."""
    server, method = served
    base = server.models()
    remote = {
        "generate.backend": "openai",
        "generate.urls": [f"{server.root}/v1"],
        "generate.reload_method": "read_weights",
        "generate.attempts": 3,
        "generate.pause_s": 0.1,
    }
    outs = []
    for number, variant in enumerate(VARIANTS):
        out = tmp_path / f"out{number}"
        outs.append(out)
        found = settings(place, variant, method, **remote)
        chosen = [x for setting in found for x in ("--set", setting)]
        check(out, killed_thrice(["run", "--out", out, *chosen], out, seed=number))
        assert server.models() == base
        assert texts(out, 1) != texts(out, 0)
    # Solver and verifier see other prompts in the two variants; the solver's are the same.
    solved = [[pair for pair in texts(out, 0) if "solve" in pair[0]] for out in outs]
    assert solved[0] == solved[1]


@pytest.mark.parametrize("served", ["lora"], indirect=True)
def test_a_server_that_is_killed(place: Path, tmp_path: Path, served: tuple[Server, str]) -> None:
    server, method = served
    out = tmp_path / "out"
    remote = {
        "generate.backend": "openai",
        "generate.urls": [f"{server.root}/v1"],
        "generate.attempts": 3,
        "generate.pause_s": 0.1,
    }
    found = settings(place, "describe, critique", method, **remote)
    chosen = [x for setting in found for x in ("--set", setting)]
    log = log_of(out)
    process = start(["run", "--out", out, *chosen], log)
    play = "SELECT count(*) FROM completion WHERE stage = 'play'"
    while not count(out, play):
        assert process.poll() is None, log.read_text()[-4000:]
        time.sleep(0.05)
    server.kill()
    assert process.wait() == 1
    assert "no server answered" in log.read_text()
    assert "Traceback" not in log.read_text()
    before = rows(out)
    server.start()
    assert run_to_its_end(["run", "--resume", out], log) == 0, log.read_text()[-4000:]
    check(out, [before])


def test_what_a_server_cannot_is_told_before_anything_is_sampled(
    tiny_model: Path, place: Path, tmp_path: Path
) -> None:
    server = Server(tiny_model, tmp_path, able=False)
    try:
        cases: list[tuple[dict[str, Any], str]] = [
            ({"train.method": "lora"}, "VLLM_ALLOW_RUNTIME_LORA_UPDATING"),
            ({"train.method": "full"}, "VLLM_SERVER_DEV_MODE"),
            ({"generate.sleep_while_training": True}, "--enable-sleep-mode"),
            ({"run.iterations": 0, "model.prompt_format": "chat"}, "--chat-template"),
        ]
        for number, (change, word) in enumerate(cases):
            out = tmp_path / str(number)
            wanted = {
                "generate.backend": "openai",
                "generate.urls": [f"{server.root}/v1"],
                "model.path": str(tiny_model),
                "model.prompt_format": "plain",
                **change,
            }
            found = settings(place, "describe, critique", "full", **wanted)
            chosen = [x for setting in found for x in ("--set", setting)]
            assert run_to_its_end(["run", "--out", out, *chosen], log_of(out)) == 1
            assert word in log_of(out).read_text()
            assert "Traceback" not in log_of(out).read_text()
            assert not rows(out)["completion"]
    finally:
        server.kill()
