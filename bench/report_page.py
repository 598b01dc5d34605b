"""Opens a report in headless Chromium: time until it is drawn, requests, console errors, pictures.

    python -m bench.report_page REPORT.html [--pictures DIR]

In: a file of `sv-engine report`. Out: a JSON line. Needs `chromium` on the PATH (Debian's package).
Time is from the start of the navigation to the page's own mark that its first view and its examples
are drawn. Exit code 1 if there was a request or an error.
"""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

VIEWS = {"light": (1280, 1000, False), "dark": (1280, 1000, True), "phone": (390, 844, False)}
"""Name -> width, height, dark."""


class Tab:
    """One page under the DevTools protocol; events are kept as they come."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        self._socket.send(json.dumps(message))
        while True:
            reply = json.loads(self._socket.recv(timeout=60))
            if reply.get("id") == number:
                result: dict[str, Any] = reply.get("result", reply)
                return result
            self.events.append(reply)

    def value(self, expression: str) -> Any:
        """What a piece of script comes to, a promise included."""
        asked = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        return self.ask("Runtime.evaluate", **asked)["result"].get("value")

    def errors(self) -> list[str]:
        """Console errors, exceptions, violations of the policy."""
        found = []
        for event in self.events:
            kind, told = event.get("method"), event.get("params", {})
            if kind == "Runtime.exceptionThrown":
                found.append(str(told["exceptionDetails"].get("exception", told)))
            elif kind == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning"):
                found.append(str(told["args"]))
            elif kind == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
                found.append(told["entry"]["text"])
        return found

    def requests(self) -> list[str]:
        """What was asked of a network, `data:` and the file itself apart."""
        sent = [e for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        urls = [event["params"]["request"]["url"] for event in sent]
        return [url for url in urls if not url.startswith(("data:", "blob:"))][1:]


@contextmanager
def browser() -> Iterator[Tab]:
    """A tab of a fresh headless Chromium."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu"]
        command += ["--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(
            command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )
        try:
            port = Path(profile) / "DevToolsActivePort"
            deadline = time.monotonic() + 60
            while not (port.exists() and port.read_text().count("\n")):
                if time.monotonic() > deadline:
                    raise TimeoutError("chromium did not start")
                time.sleep(0.1)
            number, path = port.read_text().split()
            with connect(f"ws://127.0.0.1:{number}{path}", max_size=None) as root:
                tab = Tab(root).ask("Target.createTarget", url="about:blank")["targetId"]
            page = f"ws://127.0.0.1:{number}/devtools/page/{tab}"
            with connect(page, max_size=None) as socket:
                yield Tab(socket)
        finally:
            process.terminate()
            process.wait(30)


def open_page(tab: Tab, url: str) -> dict[str, float]:
    """Navigate and wait for the page's mark; milliseconds since the start of the navigation, and
    CPU time of the page's main thread until then, which a busy machine does not change."""
    for domain in ("Page", "Runtime", "Log", "Network"):
        tab.ask(f"{domain}.enable")
    tab.ask("Performance.enable", timeDomain="threadTicks")
    tab.ask("Page.navigate", url=url)
    waiting = "document.documentElement.dataset.ready === 'yes'"
    deadline = time.monotonic() + 60
    while not tab.value(waiting) and time.monotonic() < deadline:
        time.sleep(0.05)
    times: dict[str, float] = tab.value(
        "(() => { const t = performance.getEntriesByType('navigation')[0]; return {"
        "interactive_ms: t.domInteractive, load_ms: t.loadEventEnd,"
        "ready_ms: Number(document.documentElement.dataset.readyMs)}; })()"
    )
    counted = {m["name"]: m["value"] for m in tab.ask("Performance.getMetrics")["metrics"]}
    return times | {"cpu_ms": round(1000 * counted["TaskDuration"])}


def picture(tab: Tab, path: Path, width: int, height: int, dark: bool) -> None:
    """The whole page as PNG."""
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    tab.ask("Emulation.setEmulatedMedia", features=scheme)
    size = {"width": width, "deviceScaleFactor": 1, "mobile": width < 600}
    tab.ask("Emulation.setDeviceMetricsOverride", height=height, **size)
    time.sleep(1)
    whole = int(tab.value("document.documentElement.scrollHeight"))
    tab.ask("Emulation.setDeviceMetricsOverride", height=whole, **size)
    time.sleep(2)
    shot = tab.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
    path.write_bytes(base64.b64decode(shot["data"]))


def main() -> int:
    """Measure, take pictures, tell."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("page", help="file, or address on the loopback")
    arguments.add_argument("--pictures", type=Path)
    given = arguments.parse_args()
    is_file = not given.page.startswith("http://127.0.0.1")
    url = Path(given.page).resolve().as_uri() if is_file else given.page
    with browser() as tab:
        figures: dict[str, Any] = dict(open_page(tab, url))
        for name, view in VIEWS.items() if given.pictures else ():
            given.pictures.mkdir(parents=True, exist_ok=True)
            picture(tab, given.pictures / f"{name}.png", *view)
            wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            figures[f"{name}_overflows"] = tab.value(wide)
        figures["requests"], figures["errors"] = tab.requests(), tab.errors()
    if is_file:
        figures["bytes"] = Path(given.page).stat().st_size
    print(json.dumps(figures))
    return int(bool(figures["errors"] or (is_file and figures["requests"])))


if __name__ == "__main__":
    sys.exit(main())
