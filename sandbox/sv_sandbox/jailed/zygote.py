"""The zygote: a warm, single-threaded interpreter that every template is forked from.

Started as a script (`python -S -P -s zygote.py SPEC`), so that it loads nothing it need not: no
site, no client package, only the extension and this folder. Serves spawn requests until its socket
closes. It never sees a job.
"""

from __future__ import annotations

import gc
import importlib
import importlib.machinery
import importlib.util
import json
import os
import random
import signal
import site
import sys
from typing import Any

FRAME_SLOTS = 33_000
"""Of the frame below every row: makes room for the frames of 1,000 calls above."""


def load_native(path: str) -> Any:
    """The extension by its file: its package stays outside."""
    loader = importlib.machinery.ExtensionFileLoader("_native", path)
    spec = importlib.util.spec_from_file_location("_native", path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def warm_up(spec: dict[str, Any]) -> None:
    """Import what programs commonly import, so that no subject pays for it."""
    sys.path[:] = [*spec["sys_path"]]
    if any(name.startswith("matplotlib") for name in spec["preload"]):
        os.environ |= {
            "MPLBACKEND": "Agg",
            "MPLCONFIGDIR": spec["scratch"],
        }  # for its list of fonts
    for name in spec["preload"]:
        __import__(name)
    os.environ.pop("MPLCONFIGDIR", None)
    if "threadpoolctl" in sys.modules:  # scikit-learn's: the jail has no /proc/self/maps
        sys.modules["threadpoolctl"]._HAS_PROCFS = False  # type: ignore[attr-defined]
    # What the interpreter's own start-up (-S: left out) adds to the built-in names: exit(), help().
    site.setquit()
    site.setcopyright()
    site.sethelper()
    random.seed(spec["seed"])
    sys.executable = os.path.realpath(sys.executable)  # that of a venv does not show in the jail
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    gc.freeze()  # a collection in a subject must not touch, and so copy, these pages
    gc.collect()  # what lies ready to be used again goes back to its pages
    gc.enable()


def main() -> None:
    """Serve; in a new template serve rows; in its forks run one, or tasks one after another."""
    gc.disable()  # what imports make, stays
    spec = json.loads(sys.argv[1])
    native = load_native(spec["native"])
    for number in (1, 2):
        os.dup2(0, number)  # the pipe has shown sys.stdout what it is, and goes: /dev/null
    sys.path.append(spec["folder"])  # last: most of what follows is the standard library's
    sys.modules["_native"] = native  # for our own modules; a program never finds it
    judge, rows, server, subject, tasks, bounds, rehearsal, heap = (
        importlib.import_module(f"jailed.{name}")
        for name in ("judge", "rows", "server", "subject", "tasks", "bounds", "rehearsal", "heap")
    )
    sys.argv[:] = [""]
    # Out of a program's way; now, and not in the subject, where it would copy a hundred pages.
    for name in [name for name in sys.modules if name.startswith("jailed") or name == "_native"]:
        del sys.modules[name]
    warm_up(spec)
    heap.make_room()
    heap.fill()
    gc.freeze()
    in_template = native.zygote_serve(
        spec["sock"],
        spec["read_only"],
        spec["scratch"],
        spec["clone_flags"],
        spec["uid_outer"],
        spec["host_in_reach"],
        spec["landlock"],
        spec["kill_unknown"],
        spec["scratch_bytes"],
    )
    if not in_template:  # the client is gone, by whatever end
        native.remove_tree(os.fsencode(spec["scratch"]))
    while in_template:
        role = native.template_serve()
        if role == native.ROLE_END:
            break
        if role == native.ROLE_RECYCLED:
            rehearsal.rehearse()
            native.park()  # to its keeper the end of a row is all that the end of the process is
        bounds.apply()
        if role == native.ROLE_TASK:
            try:
                tasks.task()
            except MemoryError:
                os._exit(native.TASK_NO_MEMORY)
            continue
        mains = {native.KIND_JUDGE: judge, native.KIND_VACUOUS: judge, native.KIND_SERVE: server}
        mains[native.KIND_PROGRAM] = subject
        mains.get(native.row()[0], rows).main()
    os._exit(0)


main.__code__ = main.__code__.replace(co_stacksize=FRAME_SLOTS)
main()
