"""The application: every protocol's routes on one sandbox.

Errors, the same for all routes: 422 names the field that is wrong, 504 means overloaded (try again,
or elsewhere), 401 and 413 come from the gatekeeper. A protocol is a module with a `router`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from sv_engine.serve import health, matrix, nemo_gym, openenv, program_servers, sandboxfusion
from sv_engine.serve.admission import Overloaded
from sv_engine.serve.gatekeeper import Gatekeeper
from sv_engine.serve.leaving import EndsWithItsClient
from sv_engine.serve.service import Service
from sv_engine.serve.settings import Settings

ROUTERS = (
    health.router,
    sandboxfusion.router,
    matrix.router,
    nemo_gym.router,
    openenv.router,
    program_servers.router,
)


def create_app(
    settings: Settings | None = None, on_start: Callable[[], None] = lambda: None
) -> FastAPI:
    """The ASGI application; its sandbox starts with it, if it has not been started (then
    `on_start`), and ends with it."""
    settings = settings or Settings()
    service = Service(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        try:
            async with _tool(app, settings):
                on_start()
                yield
        finally:
            await service.close()

    # /docs would fetch its page from elsewhere
    app = FastAPI(title="sv-engine", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.service = service
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(EndsWithItsClient, running=service.requests)
    app.add_middleware(Gatekeeper, token=settings.token, max_body_bytes=settings.max_body_bytes)
    app.add_exception_handler(Overloaded, _overloaded)
    app.add_exception_handler(RequestValidationError, _invalid)
    return app


def _tool(app: FastAPI, settings: Settings) -> AbstractAsyncContextManager[None]:
    if not settings.mcp:
        return nullcontext()
    from sv_engine.serve.mcp_tool import mounted

    return mounted(app, settings.host, settings.max_body_bytes)


async def _overloaded(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "overloaded: no worker is free in time"}, 504)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    """Where, and what; not the input, which need not be text that can be sent back."""
    assert isinstance(error, RequestValidationError)
    shown = [
        {
            "loc": [_plain(part) for part in each["loc"]],
            "msg": _plain(each["msg"]),
            "type": each["type"],
        }
        for each in error.errors()
    ]
    return JSONResponse({"detail": shown}, 422)


def _plain(part: str | int) -> str | int:
    return part.encode("utf-8", "replace").decode() if isinstance(part, str) else part
