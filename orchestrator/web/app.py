"""The HTTP application: routes, authentication, and one way to answer every error."""

from __future__ import annotations

from typing import Any

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

import orchestrator
from orchestrator.errors import BadInput, Conflict, MatinsError, NotAllowed, NotFound, Unavailable
from orchestrator.service.services import Services
from orchestrator.web.auth import TokenGuard
from orchestrator.web.campaigns import campaign_routes
from orchestrator.web.costs import cost_routes
from orchestrator.web.episodes import episode_routes
from orchestrator.web.files import file_routes
from orchestrator.web.fleet import fleet_routes
from orchestrator.web.metrics import metrics_routes
from orchestrator.web.notify import notify_routes
from orchestrator.web.operate import operating_routes
from orchestrator.web.runners import runner_routes
from orchestrator.web.views import moment

log = structlog.get_logger()

STATUS: tuple[tuple[type[MatinsError], int], ...] = (
    (NotAllowed, 401),
    (NotFound, 404),
    (Conflict, 409),
    (BadInput, 422),
    (Unavailable, 503),
)


def create_app(services: Services, token: str) -> FastAPI:
    """The application. `/metrics` and `/api/v1/health` need no token: they hold nothing secret, and the server listens
    on loopback unless told otherwise."""
    app = FastAPI(title="Matins", version=orchestrator.__version__, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(MatinsError, _answer_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_unknown)
    app.add_exception_handler(Exception, _answer_fault)
    started_at = moment(services.now())

    @app.get("/api/v1/health")
    def health() -> dict[str, Any]:
        return {"version": orchestrator.__version__, "started_at": started_at}

    guarded = [Depends(TokenGuard(token))]
    parts = (campaign_routes, episode_routes, file_routes, runner_routes, operating_routes, fleet_routes, cost_routes)
    for routes in (*parts, notify_routes):
        app.include_router(routes(services), prefix="/api/v1", dependencies=guarded)

    @app.get("/api/v1/config", dependencies=guarded)
    def config() -> dict[str, Any]:
        return {"settings": services.settings.shown()}

    app.include_router(metrics_routes(services))
    return app


def _answer_error(_request: Request, error: Any) -> JSONResponse:
    status = next((code for kind, code in STATUS if isinstance(error, kind)), 500)
    problems = [vars(problem) for problem in error.problems]
    body = {"kind": error.kind, "message": error.message, "remedy": error.remedy, "problems": problems}
    return JSONResponse({"error": body}, status_code=status)


def _answer_invalid(_request: Request, error: Any) -> JSONResponse:
    faults = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()]
    body = {"kind": "bad-input", "message": "; ".join(faults), "remedy": "send what the API asks for", "problems": []}
    return JSONResponse({"error": body}, status_code=422)


def _answer_unknown(request: Request, error: Any) -> JSONResponse:
    """What the framework itself refuses: a path that leads nowhere, or a method that it does not take."""
    message = f"{request.method} {request.url.path}: {error.detail}"
    kind = NotFound.kind if error.status_code == 404 else BadInput.kind
    body = {"kind": kind, "message": message, "remedy": "ask for what the API offers", "problems": []}
    return JSONResponse({"error": body}, status_code=error.status_code, headers=error.headers)


def _answer_fault(request: Request, error: Exception) -> JSONResponse:
    log.error("request-failed", path=request.url.path, error=repr(error))
    body = {"kind": "fault", "message": "the orchestrator failed", "remedy": "see its log", "problems": []}
    return JSONResponse({"error": body}, status_code=500)
