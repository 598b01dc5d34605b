from collections.abc import Callable
from types import CodeType
from typing import Any, NewType

PoolHandle = NewType("PoolHandle", object)
JobHandle = NewType("JobHandle", object)
BellHandle = NewType("BellHandle", object)

SOURCES: str
STAGES: tuple[str, ...]
MAX_CELLS: int
MAX_PAYLOAD_BYTES: int
MAX_ANSWER_BYTES: int
CHANNEL_IN: int
CHANNEL_OUT: int
KIND_CELLS: int
KIND_PROGRAM: int
KIND_CALLS: int
KIND_ASKED: int
KIND_SERVE: int
KIND_JUDGE: int
KIND_VACUOUS: int
KIND_PLAN: int
KIND_COMPARE: int
MARK_ANSWERED: int
MARK_LITERAL: int
MARK_CODE: int
MARK_READS: int
MARK_PROBE: int
MARK_LOST: int
MARK_ALONE: int
MARK_LONG: int
MARK_UNSPLIT: int
MARK_STRANGE: int
TRUST_LEFT: int
ROLE_END: int
ROLE_SUBJECT: int
ROLE_TASK: int
ROLE_RECYCLED: int
PLACE_KEEPER: int
ZYGOTE_SOCK: int
TASK_NO_MEMORY: int
JUDGE_INLINE: int
JUDGE_SPLIT: int
JUDGE_TOGETHER: int

def zygote_serve(
    sock: int,
    read_only: list[str],
    scratch: str,
    clone_flags: int,
    uid_outer: int,
    host_in_reach: int,
    landlock: int,
    kill_unknown: int,
    scratch_bytes: int,
    /,
) -> bool: ...
def template_serve() -> int: ...
def row() -> tuple[int, int, int, int]: ...
def blob(index: int, /) -> bytes: ...
def begin(cell: int, /) -> None: ...
def loaded() -> None: ...
def waiting(waits: bool, /) -> None: ...
def end(first: int, last: int, verdict: int, detail: bytes, trust: int = 0, /) -> bool: ...
def certain(cell: int, /) -> None: ...
def stop() -> None: ...
def recycled() -> bool: ...
def checked() -> bool: ...
def stage(blobs: list[bytes], /) -> None: ...
def park() -> None: ...
def limits() -> tuple[int, int, int]: ...
def pool_new(
    commands: list[list[bytes]],
    environment: list[bytes],
    group: bytes,
    workers: int,
    fault: tuple[int, int, int],
    recycle: int,
    /,
) -> PoolHandle: ...
def pool_close(pool: PoolHandle, /) -> None: ...
def pool_probe(pool: PoolHandle, place: int, /) -> tuple[int, int, int, int, int]: ...
def remove_tree(path: bytes, /) -> None: ...
def pool_zygote(pool: PoolHandle, zygote: int, /) -> int: ...
def pool_statistics(pool: PoolHandle, /) -> dict[str, int]: ...
def pool_submit(
    pool: PoolHandle,
    kind: int,
    judge: int,
    rows: list[bytes],
    zygotes: bytes,
    cells: list[bytes],
    cell_count: int,
    workers: int,
    limits: tuple[int, ...],
    stdin: bytes,
    results: Any,
    fault: tuple[int, int],
    /,
) -> JobHandle: ...
def job_rows_done(job: JobHandle, /) -> int: ...
def job_wait(job: JobHandle, timeout_s: float, /) -> bool: ...
def job_ring(job: JobHandle, bell: BellHandle, token: int, /) -> bool: ...
def bell_new() -> BellHandle: ...
def bell_fd(bell: BellHandle, /) -> int: ...
def bell_take(bell: BellHandle, /) -> list[int]: ...
def job_cancel(job: JobHandle, /) -> None: ...
def job_details(job: JobHandle, row: int, first: int, last: int, /) -> dict[int, str]: ...
def job_result(job: JobHandle, /) -> tuple[int, int, int, int, bytes, bytes]: ...

# codec.c: see jailed/values.py.

NAN: int
SET: int
FROZENSET: int
MAX_DEPTH: int
MAX_VALUE_BYTES: int

class CodecError(ValueError): ...
class Unencodable(TypeError): ...

def encode(
    value: object,
    other: Callable[[object], tuple[int, bool, tuple[object, ...]]],
    containers: list[object],
    most: int = ...,
    told: Callable[[int], object] | None = ...,
    /,
) -> bytes | bytearray: ...
def decode(
    data: bytes | bytearray,
    build: Callable[[int, tuple[object, ...]], object],
    containers: list[object],
    interns: bool = ...,
    /,
) -> object: ...
def snapshot(containers: list[object], /) -> list[tuple[object, ...] | bytes | None]: ...
def changed(containers: list[object], seen: list[Any], /) -> list[int]: ...
def at_sight(
    code: CodeType,
    steps: bytes,
    strange: frozenset[str],
    special: frozenset[str],
    methods: frozenset[str],
    modules: frozenset[str],
    private: bool,
    /,
) -> bool: ...
