"""The zygote: a warm, single-threaded interpreter that every template is forked from.

Started as a script (`python -S -P -s _zygote.py SPEC`), so that it loads nothing it need not: no
site, no package `__init__`, only the extension and the subject's module, by path. Serves spawn
requests until its socket closes. It never sees a job.
"""

from __future__ import annotations

import gc
import importlib.machinery
import importlib.util
import json
import os
import random
import signal
import sys
import warnings
from types import ModuleType
from typing import Any


def load(name: str, path: str) -> ModuleType:
    """A module by its file, without its package."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot load {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def warm_up(spec: dict[str, Any]) -> None:
    """Import what programs commonly import, so that no subject pays for it."""
    sys.path[:] = [*spec["sys_path"]]
    for name in spec["preload"]:
        __import__(name)
    random.seed(0)
    warnings.simplefilter("ignore")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    gc.collect()
    gc.freeze()  # a collection in a subject must not touch, and so copy, these pages


def main() -> None:
    """Serve; in a new template serve rows; in a new subject run one."""
    spec = json.loads(sys.argv[1])
    native: Any = load("_native", spec["native"])
    if spec["fixed_addresses"] and native.fix_addresses():
        os.execv(sys.executable, sys.orig_argv)
    parts = {}
    for name in ("_codec", "_channel", "_subject", "_plan", "_judge"):  # in order of their imports
        sys.modules[name] = parts[name] = load(name, f"{spec['folder']}/{name}.py")
    subject: Any = parts["_subject"]
    judge: Any = parts["_judge"]
    warm_up(spec)
    sys.argv[:] = [""]
    in_template = native.zygote_serve(
        spec["sock"],
        spec["read_only"],
        spec["scratch"],
        spec["clone_flags"],
        spec["uid_outer"],
        spec["landlock"],
        spec["kill_unknown"],
        spec["scratch_bytes"],
    )
    while in_template:
        role = native.template_serve()
        if role == native.ROLE_END:
            break
        if role == native.ROLE_TASK:
            judge.task(native)
            continue
        for name in parts:
            sys.modules.pop(name, None)
        kind = native.row()[0]
        side = judge if kind in (native.KIND_JUDGE, native.KIND_VACUOUS) else subject
        side.main(native)
    os._exit(0)


main()
