"""Answer HTTP requests: the metrics, a landing page, health and reload."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from exporter.sampling.snapshot import Snapshot
from exporter.serving.landing import describe_configuration, render_landing_page
from exporter.serving.metrics import ExporterCollector, ReloadStatus, Status
from exporter.serving.page import Pages

_SECURITY_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_RETRY_AFTER_SECONDS: Final = "1"
_UNGATED: Final = frozenset({"/-/healthy", "/-/ready"})  # a crowd of scrapers is no ill health
_ANSWER_SECONDS: Final = 10

log = structlog.get_logger()


class ReloadError(Exception):
    """The configuration could not be read again; the text says why, and the old one still holds."""


@dataclass(frozen=True, slots=True)
class Site:
    """What the application serves and calls.

    ``configured`` tells whether there is a configuration file. ``reload`` reads it again; None where POST
    /-/reload is not enabled. It raises ReloadError.
    """

    snapshot: Callable[[], Snapshot | None]
    configured: bool
    reload_status: Callable[[], ReloadStatus]
    healthy: Callable[[], bool]
    reload: Callable[[], Awaitable[None]] | None
    telemetry_path: str
    max_requests: int


def create_app(site: Site) -> ASGIApp:
    """Return the ASGI application that serves a site."""
    rejections = _Rejections()
    registry = CollectorRegistry(auto_describe=False)
    registry.register(
        ExporterCollector(site.snapshot, lambda: Status(site.reload_status(), rejections.number)),
    )
    ProcessCollector(registry=registry)
    routes = _Routes(site, Pages(registry, lambda: (site.snapshot(), site.reload_status())))
    app = Starlette(
        routes=[
            Route(site.telemetry_path, routes.metrics),
            Route("/", routes.landing_page),
            Route("/-/healthy", routes.healthy),
            Route("/-/ready", routes.ready),
            Route("/-/reload", routes.reload, methods=["POST", "PUT"]),
        ],
    )
    app.router.redirect_slashes = False
    return _Gate(app, site.max_requests, rejections)


@dataclass(slots=True)
class _Rejections:
    number: int = 0


class _Gate:
    """Lets so many requests in at once, and turns the rest away before they cost anything."""

    def __init__(self, app: ASGIApp, max_requests: int, rejections: _Rejections) -> None:
        self._app = app
        self._free = max_requests
        self._rejections = rejections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _UNGATED:
            await self._app(scope, receive, send)
        elif self._free == 0:
            self._rejections.number += 1
            refusal = PlainTextResponse("busy\n", 503, {"Retry-After": _RETRY_AFTER_SECONDS})
            await refusal(scope, receive, send)
        else:
            self._free -= 1
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await self._app(scope, receive, send)
            except TimeoutError:
                log.debug("a client did not read its answer in time")
            finally:
                self._free += 1


class _Routes:
    def __init__(self, site: Site, pages: Pages) -> None:
        self._site = site
        self._pages = pages
        self._encoding_fails = False

    async def metrics(self, request: Request) -> Response:
        headers = request.headers
        try:
            page = await self._pages.get(headers.get("accept", ""), headers.get("accept-encoding", ""))
        except Exception:  # whatever goes wrong here must not end in a bare 500
            if not self._encoding_fails:
                log.exception("the page cannot be encoded")
            self._encoding_fails = True
            return PlainTextResponse("the page cannot be encoded; the log says why\n", 503)
        self._encoding_fails = False
        return Response(page.body, headers=page.headers)

    async def landing_page(self, _: Request) -> Response:
        site = self._site
        configuration = describe_configuration(site.reload_status(), configured=site.configured)
        page = render_landing_page(site.snapshot(), configuration, site.telemetry_path, time.time())
        return HTMLResponse(page, headers={"Content-Security-Policy": _SECURITY_POLICY})

    async def healthy(self, _: Request) -> Response:
        if self._site.healthy():
            return PlainTextResponse("netstat-exporter is healthy\n")
        return PlainTextResponse("no snapshots are taken any more\n", 503)

    async def ready(self, _: Request) -> Response:
        if self._site.snapshot():
            return PlainTextResponse("netstat-exporter is ready\n")
        return PlainTextResponse("the first snapshot is under way\n", 503)

    async def reload(self, _: Request) -> Response:
        if self._site.reload is None:
            return PlainTextResponse("not enabled: start with --web.enable-lifecycle\n", 403)
        try:
            await self._site.reload()
        except ReloadError as error:
            return PlainTextResponse(f"{error}\n", 500)
        return PlainTextResponse("reloaded\n")
