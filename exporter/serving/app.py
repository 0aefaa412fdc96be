"""Answer requests: the metrics, the status, health and reload."""

import dataclasses
import ipaddress
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector

from exporter.config.settings import Settings
from exporter.sampling.snapshot import Snapshot
from exporter.serving.access import Passwords
from exporter.serving.admission import Rejections
from exporter.serving.messages import Answer, Request, say
from exporter.serving.metrics import OwnCollector, ReloadStatus, Status
from exporter.serving.page import Pages
from exporter.serving.parsing import PROBES
from exporter.serving.security import Security
from exporter.serving.status_answers import StatusAnswers
from exporter.status.context import Context
from exporter.status.history import History
from exporter.status.links import STATUS_PATH

_RETRY_AFTER: Final = {"Retry-After": "1"}
_READING: Final = ("GET", "HEAD")
_CHANGING: Final = ("POST", "PUT")
_OF_BROWSERS: Final = ("origin", "referer", "sec-fetch-site")

log = structlog.get_logger()

Respond = Callable[[Request], Awaitable[Answer]]


class ReloadError(Exception):
    """A reload failed; the text says why, and the old configuration stays in force."""


@dataclass(frozen=True, slots=True)
class Site:
    """What the application serves and calls.

    ``newest`` returns the newest snapshot, and ``history`` has those before. ``settings`` are those in force,
    ``config_file`` is where they are from, None without a file. ``reload`` reads it again and raises
    ReloadError; it is None where POST /-/reload is not enabled. ``cpu_budget`` is the share of a core that
    encoding takes at most, and ``charge`` counts its CPU seconds into the budget of the passes.
    """

    newest: Callable[[], Snapshot | None]
    history: History
    settings: Callable[[], Settings]
    config_file: str | None
    reload_status: Callable[[], ReloadStatus]
    healthy: Callable[[], bool]
    reload: Callable[[], Awaitable[None]] | None
    telemetry_path: str
    max_requests: int
    cpu_budget: Callable[[], float]
    charge: Callable[[float], None]
    log_lines_lost: Callable[[], int]


class App:
    """Serves a site; at most ``max_requests`` requests at once, and half as many of one client."""

    def __init__(self, site: Site, security: Security, rejections: Rejections) -> None:
        self._site = site
        self._security = security
        self._passwords = Passwords()
        self._rejections = rejections
        self._in_progress = Counter[bytes]()
        self._max = site.max_requests
        self._max_of_client = max(1, site.max_requests // 2)  # the rest is for other clients
        self._age_seconds: float | None = None
        self._fails = False
        own = CollectorRegistry(auto_describe=False)
        own.register(OwnCollector(self._describe))
        ProcessCollector(registry=own)
        self._pages = Pages(site.newest, own, self._show_age, site.cpu_budget, site.charge)
        status = StatusAnswers(
            site.newest, self._describe_context, site.history, site.cpu_budget, site.charge
        )
        self._routes: Mapping[str, tuple[tuple[str, ...], Respond]] = {
            site.telemetry_path: (_READING, self._metrics),
            "/": (_READING, status.page),
            STATUS_PATH: (_READING, status.json),
            "/-/healthy": (_READING, self._healthy),
            "/-/ready": (_READING, self._ready),
            "/-/reload": (_CHANGING, self._reload),
        }

    async def respond(self, request: Request) -> Answer:
        """Answer a request, if the web configuration allows it."""
        settings = self._security.settings
        if self._security.is_broken:
            return say(500, "the web configuration is invalid; the log says why", rejected="misconfigured")
        try:
            refusal = await self._passwords.refuse(settings.users, request) if settings.users else None
            answer = refusal or await self._route(request)
        except Exception:  # one failed answer must not end the connection, or fill the log
            if not self._fails:
                log.exception("a request cannot be answered", path=request.path)
            self._fails = True
            answer = say(503, "internal error; the log says why")
        if settings.headers:
            return dataclasses.replace(answer, headers={**answer.headers, **settings.headers})
        return answer

    async def _route(self, request: Request) -> Answer:
        methods, respond = self._routes.get(request.path, ((), None))
        if respond is None:
            return say(404, "no such page")
        if request.method not in methods:
            return say(405, f"{' or '.join(methods)} only", {"Allow": ", ".join(methods)})
        # Many scrapers are not bad health, and a reload that hangs blocks no scraper.
        if request.path in PROBES or respond == self._reload:
            return await respond(request)
        if self._in_progress.total() >= self._max or self._in_progress[request.peer] >= self._max_of_client:
            return say(503, "busy", _RETRY_AFTER, rejected="busy")
        self._in_progress[request.peer] += 1
        try:
            return await respond(request)
        finally:
            self._in_progress[request.peer] -= 1
            if not self._in_progress[request.peer]:
                del self._in_progress[request.peer]

    async def _metrics(self, request: Request) -> Answer:
        headers = request.headers
        page = await self._pages.get(headers.get("accept", ""), headers.get("accept-encoding", ""))
        self._fails = False
        return page

    async def _healthy(self, _: Request) -> Answer:
        if self._site.healthy():
            return say(200, "netstat-exporter is healthy")
        return say(503, "the sampler takes no snapshots")

    async def _ready(self, _: Request) -> Answer:
        if self._site.newest():
            return say(200, "netstat-exporter is ready")
        return say(503, "the first pass is not finished")

    async def _reload(self, request: Request) -> Answer:
        if is_from_a_page(request):
            text = "refused for the web page of a browser; use an address, without Origin and Referer"
            return say(403, text, rejected="foreign_origin")
        if self._site.reload is None:
            return say(403, "not enabled: start with --web.enable-lifecycle")
        try:
            await self._site.reload()
        except ReloadError as error:
            return say(500, str(error))
        return say(200, "reloaded")

    def _describe(self) -> Status:
        return Status(
            self._site.reload_status(),
            connections_rejected=self._rejections.connections,
            requests_rejected=self._rejections.requests,
            log_lines_lost=self._site.log_lines_lost(),
            snapshot_age_seconds=self._age_seconds,
        )

    def _describe_context(self) -> Context:
        site = self._site
        return Context(
            site.settings(),
            socket.gethostname(),
            site.config_file,
            site.telemetry_path,
            is_reloaded=site.reload_status().successful,
            log_lines_lost=site.log_lines_lost(),
        )

    def _show_age(self, age_seconds: float | None) -> None:
        self._age_seconds = age_seconds


def is_from_a_page(request: Request) -> bool:
    """Return whether a browser may have sent this for a foreign web page.

    Browsers send a header with it. Old ones do not if they consider the page and the exporter one site,
    because a name of the page's owner resolves to this host. So a name with a dot has to be that of this
    host.
    """
    if any(name in request.headers for name in _OF_BROWSERS):
        return True
    host = request.headers.get("host", "").lower()
    host = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    own = socket.gethostname().lower()
    return not (_is_address(host) or "." not in host or host == own or host.startswith(f"{own}."))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
