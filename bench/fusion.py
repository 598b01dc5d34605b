"""SandboxFusion as a contender of the desk: `/run_code` over a socket, once for every cell.

In: a checkout (github.com/bytedance/SandboxFusion) and an interpreter that has its dependencies.
`prepare` notes both where the contender finds them, or says why it cannot take part; `contender`
starts the server, with the router of `/run_code` alone, under the confined user's own interpreter.
Its programs run under that interpreter where it would look for an environment of conda's. The
server ends when the contender does.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.confined import Confined

PEER = "SandboxFusion"
SERVER = """\
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
import uvicorn
from fastapi import FastAPI
from sandbox.runners import major
from sandbox.server.sandbox_api import sandbox_router
here = {"PATH": os.path.dirname(sys.argv[1]) + ":" + os.environ["PATH"]}
major.get_python_rt_env = lambda name: here
app = FastAPI()
app.include_router(sandbox_router)
uvicorn.run(app, uds=sys.argv[1], log_level="warning")
"""
PLACES = "fusion.json"
PATIENCE_S = 120.0


def prepare(place: Confined, checkout: Path | None, python: Path | None) -> str:
    """Why it cannot take part; empty: it can."""
    if checkout is None or python is None:
        return "no checkout of github.com/bytedance/SandboxFusion (--fusion, --fusion-python)"
    ask = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    found = subprocess.run([python, "-c", ask], check=False, capture_output=True, text=True)
    paths = f"{checkout.resolve()}:{found.stdout.strip()}"
    done = subprocess.run(
        [*place.prefix(), place.interpreter, "-c", "import sandbox.server.sandbox_api, uvicorn"],
        env=place.environment() | {"PYTHONPATH": paths},
        cwd=place.home,
        check=False,
        capture_output=True,
        text=True,
    )
    if found.returncode or done.returncode:
        return (found.stderr + done.stderr).strip().rpartition("\n")[2]
    (place.packages / PLACES).write_text(json.dumps({"python_path": paths}))
    return ""


def contender(limit_s: float) -> Callable[[list[dict[str, Any]]], list[list[bool]]]:
    """In the confined process."""
    told = json.loads((Path(__file__).parent / PLACES).read_text())
    folder = tempfile.mkdtemp()
    path = os.path.join(folder, "socket")
    os.symlink(sys.executable, os.path.join(folder, "python"))  # under which name it is called
    subprocess.Popen(
        [sys.executable, "-c", SERVER, path],
        env=os.environ | {"PYTHONPATH": told["python_path"]},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    until = time.monotonic() + PATIENCE_S
    while not os.path.exists(path) and time.monotonic() < until:
        time.sleep(0.1)

    def one(code: str) -> bool:
        body = {"code": code, "language": "python", "run_timeout": max(1.0, limit_s)}
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(path)
        connection.request(
            "POST", "/run_code", json.dumps(body), {"Content-Type": "application/json"}
        )
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return bool(answer["status"] == "Success")

    return lambda rows: [[one(f"{r['solution']}\n{test}\n") for test in r["tests"]] for r in rows]
