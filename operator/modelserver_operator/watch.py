"""The only file with kopf in it beside its hardening: all that is listed and watched, passed on."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import aiohttp
import kopf
import structlog
from kopf._cogs.structs import references
from kopf._core.engines import peering

from modelserver_operator import kopf_hardening
from modelserver_operator.children import CHILDREN
from modelserver_operator.controller import Controller
from modelserver_operator.kinds import MODEL_SERVER, POD, REPLICA_SET, SERVICE_MONITOR, Kind
from modelserver_operator.labels import OURS
from modelserver_operator.metrics import Metrics

log = structlog.get_logger()

_BUILT_IN = {child.kind for child in CHILDREN} - {SERVICE_MONITOR}

ALWAYS_WATCHED: tuple[Kind, ...] = (MODEL_SERVER, *sorted(_BUILT_IN), REPLICA_SET, POD)
WATCHED: tuple[Kind, ...] = (*ALWAYS_WATCHED, SERVICE_MONITOR)

Place = tuple[Kind, str | None]
"""A kind, and the namespace in which it is watched (None: in all)."""


class Watch:
    """
    Watches all kinds in all *namespaces* (none named: in the whole cluster).

    Args:
        controller: is told what there is and what happens.
        metrics: counts what was broken off.
        namespaces: where to watch.
        identity: who we are.
        session: opens a session that is allowed to list and watch, and where the API server is.
        backoff_scale: multiplies every pause.

    Attributes:
        missing: what has not been listed yet; empty means that the store is full and decisions
            can be made. ServiceMonitors are never among them: their CRD may be half gone.
    """

    def __init__(  # noqa: PLR0913 - what it is about
        self,
        controller: Controller,
        metrics: Metrics,
        namespaces: Sequence[str],
        identity: str,
        session: Callable[[], tuple[str, aiohttp.ClientSession]],
        *,
        backoff_scale: float = 1.0,
    ) -> None:
        kopf_hardening.install()
        self._controller = controller
        self._metrics = metrics
        self._namespaces: tuple[str | None, ...] = (*namespaces,) or (None,)
        self._identity = peering.Identity(identity)  # kopf would ask for a user name: we have none
        self._open = session
        self._session: aiohttp.ClientSession | None = None
        self._guard = kopf_hardening.Guard(self, backoff_scale)
        self._stop = asyncio.Event()
        self._by_plural: Mapping[str, Kind] = {kind.plural: kind for kind in WATCHED}
        self._kinds = set(ALWAYS_WATCHED)
        self._listed: set[Place] = set()
        self._troubles: dict[Place, str] = {}
        self._registry, self._settings = self._registered(), _settings()
        self._insights = references.Insights()

    @property
    def missing(self) -> set[Place]:
        """What has not been listed yet."""
        places = {(kind, namespace) for kind in ALWAYS_WATCHED for namespace in self._namespaces}
        return places - self._listed

    def why_not_full(self) -> str:
        """Say in a sentence what has not been listed yet, and why; empty when the store is full."""
        missing = self.missing
        if not missing:
            return ""
        plurals = sorted({kind.plural for kind, _ in missing})
        reasons = sorted({self._troubles[place] for place in missing if place in self._troubles})
        return f"not listed yet: {', '.join(plurals)}" + "".join(f"; {why}" for why in reasons)

    async def run(self, on_started: Callable[[], None], alive: Callable[[], None]) -> None:
        """
        Watch until `stop`; raises what kopf raises.

        Args:
            on_started: called when kopf has set up its signal handlers, to take them back: kopf
                would wait for our tasks before it returns, and they must end first.
            alive: called while the watches go on, at least once in a minute or two.
        """
        self._guard.alive = alive
        kopf_hardening.protect(self._guard)
        started = asyncio.Event()
        taking = asyncio.ensure_future(_then(started, on_started))
        self._insights = references.Insights()
        try:
            await kopf.operator(
                registry=self._registry,
                settings=self._settings,
                insights=self._insights,
                clusterwide=self._namespaces == (None,),
                namespaces=[namespace for namespace in self._namespaces if namespace],
                standalone=True,
                identity=self._identity,
                ready_flag=started,
                stop_flag=self._stop,
            )
        finally:
            taking.cancel()
            if self._session is not None:
                await self._session.close()

    def stop(self) -> None:
        """Have `run` return."""
        self._stop.set()

    async def add(self, kind: Kind) -> None:
        """Watch *kind* too, from now on."""
        if kind not in self._kinds:
            self._kinds.add(kind)
            await self._revise(kind)

    async def remove(self, kind: Kind) -> None:
        """Watch *kind* no longer; what was seen of it is gone."""
        if kind in self._kinds:
            self._kinds.discard(kind)
            await self._revise(kind)
            self._listed -= {(kind, namespace) for namespace in self._namespaces}
            self._controller.gone(kind)

    def watches(self, kind: Kind) -> bool:
        """Tell whether *kind* is watched."""
        return kind in self._kinds

    def is_listed(self, kind: Kind) -> bool:
        """Tell whether all that there is of *kind* is known."""
        return all((kind, namespace) in self._listed for namespace in self._namespaces)

    def kinds(self) -> Collection[Kind]:
        """What is watched now; with what follows, a `kopf_hardening.Listener`."""
        return self._kinds

    def seen(self, plural: str, items: Iterable[dict[str, Any]]) -> None:
        """Take in objects."""
        for item in items:
            self._controller.saw(self._by_plural[plural], item)

    def listed(self, plural: str, namespace: str | None, alive: set[str], version: str) -> None:
        """Take in that there are no others."""
        kind = self._by_plural[plural]
        self._controller.listed(kind, namespace, alive, int(version))
        self._listed.add((kind, namespace))
        if self._troubles.pop((kind, namespace), ""):
            log.info("watching again", kind=kind.name, watched_namespace=namespace)

    def changed(self, plural: str, event: str, body: dict[str, Any]) -> None:
        """Take in an event."""
        if event == "DELETED":
            self._controller.lost(body)
        else:
            self._controller.saw(self._by_plural[plural], body)

    def failed(self, plural: str, namespace: str | None, why: str) -> None:
        """Count it, and say it once."""
        kind = self._by_plural[plural]
        if kind == MODEL_SERVER and why.startswith("HTTP 404"):
            why = "the CRD is not installed: kubectl apply -f crds/modelservers.yaml"
        self._metrics.watch_restarts.labels(kind=plural).inc()
        if self._troubles.get((kind, namespace)) != why:
            self._troubles[kind, namespace] = why
            log.warning("watch broken off", kind=kind.name, watched_namespace=namespace, error=why)

    async def _revise(self, kind: Kind) -> None:
        await kopf_hardening.revise(
            self._guard, kind.group, self._registry, self._settings, self._insights
        )

    def _registered(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()  # comes without a login handler
        kopf.on.login(registry=registry)(self._login)
        for kind in WATCHED:  # names the kinds for kopf; events go another way, see the hardening
            kopf.on.event(kind.group, kind.version, kind.plural, id="watched", registry=registry)(
                _never
            )
        return registry

    async def _login(self, **_: object) -> kopf.AiohttpSession:
        server, self._session = self._open()
        return kopf.AiohttpSession(server=server, aiohttp_session=self._session)


def _never(**_: object) -> None:
    """No event comes this way: see `kopf_hardening`."""


async def _then(event: asyncio.Event, action: Callable[[], None]) -> None:
    await event.wait()
    action()


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True  # no right to read CRDs or namespaces is needed
    settings.networking.request_timeout = 10
    settings.networking.connect_timeout = 5
    settings.networking.error_backoffs = ()  # the pauses are ours
    settings.watching.chunk_size = 500
    settings.watching.server_timeout = 300
    settings.watching.reconnect_backoff = 0
    for kind in WATCHED:
        if kind != MODEL_SERVER:
            settings.watching.label_selectors[kind.group, kind.version, kind.plural] = OURS
    return settings
