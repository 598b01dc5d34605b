"""A sandbox provider for inspect_ai (0.3): `sandbox="sv"`, found by its entry point.

Each sample has a folder, kept here as a mapping and laid out anew for every command; what a command
leaves in it is read back. Commands run in the jail with bash and Python of this machine, as one
unprivileged user, without network; nothing outlives its command, so there are no servers and no
background jobs. Folders that are empty, and links, are not kept.
"""

from __future__ import annotations

import base64
import json
import os
import posixpath
from typing import Any, Literal, overload

from inspect_ai.util import (
    ExecResult,
    OutputLimitExceededError,
    SandboxEnvironment,
    SandboxUnavailableError,
    SandboxUserUnsupportedError,
    sandboxenv,
)

from sv_engine.executors.local import LocalExecutor
from sv_engine.executors.protocol import Terms

FOLDER = "sample"
HOME = f"/tmp/{FOLDER}"
"""Where a sample's folder lies inside: not all of /tmp, where an environment may be in view."""
LONGEST_S = 600
"""For a command without a time-out."""
STREAM_BYTES = 10 << 20
READ_BYTES = 100 << 20
OUTPUT_BYTES = 96 << 20
"""Both streams and all files, in base64."""
MISSING, KILLED = 127, 137

_COMMAND = """\
import base64, json, os, subprocess, sys
spec = json.loads({spec!r})
os.makedirs({home!r}, exist_ok=True)
os.chdir({home!r})
path = os.path.dirname(sys.executable) + ":/usr/bin:/bin"
for name in spec["executable"]:
    os.chmod(name, 0o755)
try:
    done = subprocess.run(spec["cmd"], cwd=spec["cwd"], capture_output=True,
                          env={{**os.environ, "PATH": path, **spec["env"]}})
    code, out, err = done.returncode, done.stdout, done.stderr
except (FileNotFoundError, NotADirectoryError) as error:
    code, out, err = 127, b"", str(error).encode()
except PermissionError as error:
    code, out, err = 126, b"", str(error).encode()
def text(data):
    return base64.b64encode(data).decode()
files, executable = {{}}, []
for folder, _, names in os.walk("."):
    for name in names:
        at = os.path.normpath(os.path.join(folder, name))
        if os.path.isfile(at) and not os.path.islink(at):
            files[at] = text(open(at, "rb").read())
            if os.access(at, os.X_OK):
                executable.append(at)
json.dump({{"code": code, "out": text(out[-{most}:]), "err": text(err[-{most}:]), "files": files,
           "executable": executable}}, sys.stdout)
"""

_executor = LocalExecutor(memory_bytes=2 << 30)


@sandboxenv(name="sv")
class SvSandboxEnvironment(SandboxEnvironment):  # type: ignore[misc]
    """One sample's folder, and commands in it."""

    def __init__(self) -> None:
        super().__init__()
        self._files: dict[str, bytes] = {}
        self._executable: set[str] = set()

    @classmethod
    def default_concurrency(cls) -> int | None:
        """Commands at once: one per core."""
        return len(os.sched_getaffinity(0))

    @classmethod
    async def sample_init(
        cls, task_name: str, config: Any, metadata: dict[str, str]
    ) -> dict[str, SandboxEnvironment]:
        """One empty folder."""
        return {"default": cls()}

    @classmethod
    async def sample_cleanup(
        cls,
        task_name: str,
        config: Any,
        environments: dict[str, SandboxEnvironment],
        interrupted: bool,
    ) -> None:
        """Nothing is left behind."""

    @classmethod
    async def task_cleanup(cls, task_name: str, config: Any, cleanup: bool) -> None:
        """End the pool."""
        await _executor.close()

    async def exec(
        self,
        cmd: list[str],
        input: str | bytes | None = None,  # noqa: A002
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        user: str | None = None,
        timeout: int | None = None,  # noqa: ASYNC109
        timeout_retry: bool = True,
        concurrency: bool = True,
    ) -> ExecResult[str]:
        """Run a command. Raises as inspect_ai asks: TimeoutError, SandboxUnavailableError,
        SandboxUserUnsupportedError for any `user`."""
        if user is not None:
            raise SandboxUserUnsupportedError(f"commands run as one user; {user!r} is not there")
        spec = {
            "cmd": cmd,
            "cwd": posixpath.join(HOME, cwd or ""),
            "env": env or {},
            "executable": sorted(self._executable),
        }
        limit_s = timeout or LONGEST_S
        terms = Terms(
            cpu_s=limit_s,
            wall_s=limit_s,
            memory_bytes=2 << 30,
            output_bytes=OUTPUT_BYTES,
            processes=True,
        )
        program = _COMMAND.format(spec=json.dumps(spec), most=STREAM_BYTES, home=HOME)
        files = {f"{FOLDER}/{path}": data for path, data in self._files.items()}
        ran = await _executor.run(program, stdin=input or b"", files=files, terms=terms)
        if ran.verdict == "infra":
            raise SandboxUnavailableError(ran.detail)
        if ran.verdict == "timeout":
            raise TimeoutError(f"the command took longer than {limit_s} s")
        try:
            told = json.loads(ran.stdout)
        except ValueError:  # it was ended: memory, output
            text = ran.stderr.decode("utf-8", "replace")
            return ExecResult(False, KILLED, "", f"{text}{ran.verdict}: {ran.detail}")
        self._files = {path: _bytes(data) for path, data in told["files"].items()}
        self._executable = set(told["executable"])
        out, err = (_bytes(told[key]).decode("utf-8", "replace") for key in ("out", "err"))
        return ExecResult(told["code"] == 0, told["code"], out, err)

    async def write_file(self, file: str, contents: str | bytes) -> None:
        """Put a file into the folder. Raises PermissionError outside it, IsADirectoryError."""
        path = _inside(file)
        if self._is_folder(path):
            raise IsADirectoryError(file)
        self._files[path] = contents.encode() if isinstance(contents, str) else contents

    @overload
    async def read_file(self, file: str, text: Literal[True] = True) -> str: ...

    @overload
    async def read_file(self, file: str, text: Literal[False]) -> bytes: ...

    async def read_file(self, file: str, text: bool = True) -> str | bytes:
        """A file of the folder. Raises FileNotFoundError, IsADirectoryError, UnicodeDecodeError,
        OutputLimitExceededError."""
        path = _inside(file)
        if self._is_folder(path):
            raise IsADirectoryError(file)
        if path not in self._files:
            raise FileNotFoundError(file)
        data = self._files[path]
        if len(data) > READ_BYTES:
            raise OutputLimitExceededError("100 MiB", None)
        return data.decode("utf-8") if text else data

    def _is_folder(self, path: str) -> bool:
        return path == "." or any(name.startswith(f"{path}/") for name in self._files)


def _inside(file: str) -> str:
    """The path of a file relative to the folder. Raises PermissionError for one outside it."""
    path = posixpath.relpath(posixpath.normpath(posixpath.join(HOME, file)), HOME)
    if path.startswith(".."):
        raise PermissionError(f"{file}: outside {HOME}")
    return path


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
