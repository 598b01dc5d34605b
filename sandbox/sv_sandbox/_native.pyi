from typing import Any, NewType

PoolHandle = NewType("PoolHandle", object)
JobHandle = NewType("JobHandle", object)

STAGES: tuple[str, ...]
MAX_CELLS: int
MAX_PAYLOAD_BYTES: int
KIND_CELLS: int
KIND_PROGRAM: int
JUDGE_INLINE: int
JUDGE_SPLIT: int

def fix_addresses() -> bool: ...
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
def template_serve() -> bool: ...
def row() -> tuple[int, int, int, int]: ...
def blob(index: int, /) -> bytes: ...
def begin(cell: int, /) -> None: ...
def loaded() -> None: ...
def end(first: int, last: int, verdict: int, detail: bytes, /) -> None: ...
def pool_new(
    zygote_sockets: list[int], workers: int, fault: tuple[int, int, int], /
) -> PoolHandle: ...
def pool_close(pool: PoolHandle, /) -> None: ...
def pool_probe(pool: PoolHandle, zygote: int, /) -> tuple[int, int, int, int, int]: ...
def pool_statistics(pool: PoolHandle, /) -> dict[str, int]: ...
def pool_submit(
    pool: PoolHandle,
    kind: int,
    judge: int,
    rows: list[bytes],
    zygotes: bytes,
    cells: list[bytes],
    cell_count: int,
    limits: tuple[int, int, int, int, int, int, int, int],
    stdin_fd: int,
    results: Any,
    done_fd: int,
    fault: tuple[int, int],
    /,
) -> JobHandle: ...
def job_rows_done(job: JobHandle, /) -> int: ...
def job_cancel(job: JobHandle, /) -> None: ...
def job_detail(job: JobHandle, row: int, cell: int, /) -> str: ...
def job_result(job: JobHandle, /) -> tuple[int, int, int, int, bytes, bytes]: ...
