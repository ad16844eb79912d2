"""The only file with kopf in it beside its hardening: every watch event goes to the controller."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any

import kopf
from kopf._core.engines import peering

from modelserver_operator import kopf_hardening
from modelserver_operator.children import CHILDREN
from modelserver_operator.controller import Controller
from modelserver_operator.kinds import MODEL_SERVER, POD, REPLICA_SET, SERVICE_MONITOR, Kind
from modelserver_operator.labels import OURS
from modelserver_operator.metrics import Metrics

WATCHED: tuple[Kind, ...] = (
    MODEL_SERVER,
    *(child.kind for child in CHILDREN if child.kind != SERVICE_MONITOR),
    REPLICA_SET,
    POD,
)


class Watch:
    """
    Watches all kinds in all *namespaces* (none named: in the whole cluster).

    Attributes:
        missing: kinds and namespaces that have not been listed yet; empty means that the store is
            full and decisions can be made.
    """

    def __init__(
        self, controller: Controller, metrics: Metrics, namespaces: Sequence[str], identity: str
    ) -> None:
        kopf_hardening.install()
        self._controller = controller
        self.metrics = metrics
        self.namespaces = namespaces
        self._identity = peering.Identity(identity)  # kopf would ask for a user name: we have none
        self._stop = asyncio.Event()
        self._kinds = {kind.plural: kind for kind in WATCHED}
        self.missing: set[tuple[str, str | None]] = {
            (kind.plural, namespace) for kind in WATCHED for namespace in (namespaces or (None,))
        }

    async def run(self, on_started: Callable[[], None]) -> None:
        """
        Watch until `stop`; raises what kopf raises.

        Args:
            on_started: called when kopf has set up its signal handlers, to take them back: kopf
                would wait for our tasks before it returns, and they must end first.
        """
        kopf_hardening.listen(self)
        started = asyncio.Event()
        taking = asyncio.ensure_future(_then(started, on_started))
        try:
            await kopf.operator(
                registry=self._registry(),
                settings=_settings(),
                clusterwide=not self.namespaces,
                namespaces=list(self.namespaces),
                standalone=True,
                identity=self._identity,
                ready_flag=started,
                stop_flag=self._stop,
            )
        finally:
            taking.cancel()

    def stop(self) -> None:
        """Have `run` return."""
        self._stop.set()

    def listed(
        self, plural: str, namespace: str | None, items: Collection[dict[str, Any]], version: str
    ) -> None:
        """Take in a whole listing; see `kopf_hardening.Listener`."""
        kind = self._kinds[plural]
        for item in items:
            self._controller.saw(kind, item)
        alive = {item["metadata"]["uid"] for item in items}
        self._controller.listed(kind, namespace, alive, int(version))
        self.missing.discard((plural, namespace))

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()  # comes without a login handler
        kopf.on.login(registry=registry)(kopf.login_via_client)
        for kind in WATCHED:
            kopf.on.event(kind.group, kind.version, kind.plural, id="observed", registry=registry)(
                self._observed
            )
        return registry

    async def _observed(
        self,
        *,
        type: str | None,  # noqa: A002 - kopf's name for it
        body: kopf.Body,
        resource: kopf.Resource,
        **_: object,
    ) -> None:
        if type == "DELETED":
            self._controller.lost(body)
        else:
            self._controller.saw(self._kinds[resource.plural], dict(body))


async def _then(event: asyncio.Event, action: Callable[[], None]) -> None:
    await event.wait()
    action()


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True  # no right to read CRDs or namespaces is needed
    settings.networking.request_timeout = 10
    settings.networking.connect_timeout = 5
    settings.networking.error_backoffs = (0.5, 1, 2, 4)
    settings.watching.chunk_size = None  # a chunked listing dies of a 410 in its middle
    settings.watching.server_timeout = 300
    settings.watching.reconnect_backoff = 0.5
    for kind in WATCHED:
        if kind != MODEL_SERVER:
            settings.watching.label_selectors[kind.group, kind.version, kind.plural] = OURS
    return settings
