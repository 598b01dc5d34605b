"""`/health`, which runs a program, and `/metrics` for Prometheus."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from sv_engine.serve.service import Service, service_of

router = APIRouter(tags=["server"])
Served = Annotated[Service, Depends(service_of)]


@router.get("/health", responses={503: {"description": "The sandbox does not work."}})
async def health(service: Served) -> JSONResponse:
    """Run a program; 503 if that fails."""
    fault = await service.works()
    if fault is not None:
        return JSONResponse({"status": "failing", "detail": fault}, 503)
    return JSONResponse({"status": "healthy"})


@router.get("/metrics", response_class=Response)
async def metrics(service: Served) -> Response:
    """Counters in Prometheus' text format."""
    queue = service.admission
    gauges = {
        "slots": queue.slots,
        "running": queue.running,
        "waiting": queue.waiting,
        "peak_waiting": queue.peak_waiting,
        "slot_interval_seconds": queue.interval_s,
    }
    counters = {
        "refused": queue.refused,
        "begun_anew": queue.begun_anew,
        "held_back": service.held,
        **service.executor.statistics(),
    }
    lines = []
    for kind, values in (("gauge", gauges), ("counter", counters)):
        for name, value in values.items():
            full = f"sv_{name}_total" if kind == "counter" else f"sv_{name}"
            lines += [f"# TYPE {full} {kind}", f"{full} {value}"]
    lines.append("# TYPE sv_template_bytes gauge")
    for name, size in service.executor.template_bytes().items():
        lines.append(f'sv_template_bytes{{template="{name}"}} {size}')
    text = "\n".join(lines) + "\n"
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")
