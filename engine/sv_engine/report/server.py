"""The page of a folder, live, and its Prometheus figures: HTTP on the loopback address, GET only.

    /         the report as it is now      (of `ui`)
    /stamp    changes when the folder does (of `ui`)
    /metrics  Prometheus text

Nothing is written, no path of a request is opened. A request whose Host is not a loopback name is
refused, so that a page of another site cannot read this one through a name of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from sv_engine.errors import EngineError
from sv_engine.report.page import render
from sv_engine.report.prometheus import CONTENT_TYPE, exposition
from sv_engine.report.read import SUMMARY_NAME
from sv_engine.run.folder import FILE_NAME

HOST = "127.0.0.1"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
Route = Callable[[], tuple[str, str]]
"""What answers a path: content type and text; raises EngineError."""


class Live:
    """The report of a folder, made again only when the folder has changed."""

    def __init__(self, folder: Path, controls: Sequence[Path] = ()) -> None:
        self._folder = folder
        self._controls = controls
        self._lock = threading.Lock()
        self._made = ""
        self._page = ""

    def stamp(self) -> str:
        """Another text whenever the folder has changed."""
        files = [self._folder / name for name in (FILE_NAME, f"{FILE_NAME}-wal", SUMMARY_NAME)]
        files.append(self._folder / "matrices")
        found = [file.stat() for file in files if file.exists()]
        return " ".join(f"{stat.st_mtime_ns}.{stat.st_size}" for stat in found)

    def page(self) -> str:
        """The page; raises EngineError."""
        with self._lock:
            stamp = self.stamp()
            if stamp != self._made or not self._page:
                self._page, self._made = render(self._folder, self._controls, live=True), stamp
            return self._page

    def routes(self) -> dict[str, Route]:
        """All of them."""
        return {
            "/": lambda: ("text/html; charset=utf-8", self.page()),
            "/stamp": lambda: ("text/plain; charset=utf-8", self.stamp()),
        } | metrics_of(self._folder)


def metrics_of(folder: Path) -> dict[str, Route]:
    """The route that Prometheus scrapes."""
    return {"/metrics": lambda: (CONTENT_TYPE, exposition(folder))}


@contextmanager
def serving(routes: dict[str, Route], port: int) -> Iterator[int]:
    """Answer on the loopback address while inside; the port, chosen where 0 was asked for.

    Raises EngineError where the port cannot be had.
    """
    try:
        server = ThreadingHTTPServer((HOST, port), _handler(routes))
    except OSError as error:
        raise EngineError(
            f"cannot listen: {error.strerror or error}",
            where=f"{HOST}:{port}",
            remedy="choose another port",
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="report", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(routes: dict[str, Route]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        server_version = "sv-engine"
        sys_version = ""
        timeout = 30

        def do_GET(self) -> None:
            host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
            route = routes.get(self.path.partition("?")[0])
            if host not in LOOPBACK:
                self._answer(403, "text/plain", "only for this machine\n")
            elif route is None:
                self._answer(404, "text/plain", "not found\n")
            else:
                try:
                    self._answer(200, *route())
                except EngineError as error:
                    self._answer(503, "text/plain; charset=utf-8", f"{error}\n")

        def _answer(self, status: int, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            headers = {"Content-Type": kind, "Content-Length": str(len(body))}
            headers |= {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
