"""The HTTP side: requests in, answers and watches out, with faults and hooks where they belong."""

import asyncio
import contextlib
import inspect
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import yaml
from aiohttp import web
from kubernetes.aio import client

from apiserver import discovery, exchange
from apiserver.api import Options, Target, merge_patched
from apiserver.cluster import Cluster
from apiserver.event_faces import as_served, as_stored
from apiserver.failures import Refused
from apiserver.faults import Call, Faults, Rule
from apiserver.journal import Journal, Record
from apiserver.resources import Body
from apiserver.storage import Watcher
from apiserver.watching import Cut, Stream

Predicate = Callable[[Call], bool]
Action = Callable[[Call], Awaitable[None] | None]

_NOTHING_HERE: Final = "404 page not found\n"
_DEFAULT_WATCH_SECONDS: Final = "1800"
_TILL_THE_CLIENT_HAS_READ_SECONDS: Final = 0.005


class Reset(Exception):
    """Raised by a hook: close the connection at this point."""


class Truncated(Exception):
    """Half of an answer was sent and the connection closed."""


@dataclass(eq=False)
class Hook:
    """Something to do at one point of the calls that *predicate* accepts."""

    predicate: Predicate
    action: Action
    of: list["Hook"]

    def remove(self) -> None:
        """Stop doing it."""
        self.of.remove(self)


class ApiServer(Cluster):
    """
    A Kubernetes API server on 127.0.0.1, in the event loop of the test.

    Attributes:
        journal: the requests so far.
        url: where it listens.
    """

    def __init__(self, namespaces: Iterable[str] = ("default",), *, port: int = 0) -> None:
        super().__init__(namespaces)
        self.journal = Journal()
        self.url = ""
        self._port = port
        self._faults = Faults()
        self._streams: set[Stream] = set()
        self._before: list[Hook] = []
        self._after_commit: list[Hook] = []
        self._after_ack: list[Hook] = []
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=4 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.api.garbage.stop()
        for stream in self._streams:
            stream.end()
        if self._runner is not None:
            await self._runner.cleanup()

    def configuration(self) -> client.Configuration:
        """Settings for a `kubernetes.aio` ApiClient that talks to this server."""
        return client.Configuration(host=self.url)

    def kubeconfig(self, path: Path, user: str = "test") -> Path:
        """Write a kubeconfig with this server as its only context, for calls as *user*."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.url}}],
            "users": [{"name": "test", "user": {"token": user}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }
        path.write_text(yaml.safe_dump(config))
        return path

    @contextlib.contextmanager
    def faults(self, *rules: Rule) -> Iterator[tuple[Rule, ...]]:
        """Misbehave by *rules* while the block runs; open watches are struck at once."""
        self.add_faults(*rules)
        try:
            yield rules
        finally:
            if rules:  # none named would lift those of others
                self.lift_faults(*rules)

    def add_faults(self, *rules: Rule) -> None:
        """Put *rules* in force until they are lifted."""
        self._faults.rules.extend(rules)
        new = Faults(self._faults.random, [*rules])  # those in force before have struck already
        for stream in list(self._streams):
            if (rule := new.strike(stream.call, in_stream=True)) is not None:
                stream.strike(rule)

    def lift_faults(self, *rules: Rule) -> None:
        """Take *rules* out of force (none named: all)."""
        for rule in rules or tuple(self._faults.rules):
            self._faults.rules.remove(rule)
            rule.lifted.set()

    def before(self, predicate: Predicate, action: Action) -> Hook:
        """Do *action* when a call comes in, before it acts; `Reset` keeps it from acting."""
        return self._hook(self._before, predicate, action)

    def after_commit(self, predicate: Predicate, action: Action) -> Hook:
        """Do *action* when a call has succeeded and nothing has been answered yet."""
        return self._hook(self._after_commit, predicate, action)

    def after_ack(self, predicate: Predicate, action: Action) -> Hook:
        """Do *action* when a call has succeeded and the client has its answer."""
        return self._hook(self._after_ack, predicate, action)

    def bookmark(self) -> None:
        """Send a bookmark to every watch that asked for them."""
        for stream in self._streams:
            stream.bookmark(self.api.storage.revision)

    @property
    def open_watches(self) -> list[Call]:
        """The watches that are open now."""
        return [stream.call for stream in self._streams]

    def serve_service_monitors(self, served: bool) -> None:  # noqa: FBT001  - as in Cluster
        """Install or remove the ServiceMonitor CRD; removing ends its watches too."""
        super().serve_service_monitors(served)
        for stream in self._streams:
            if stream.watcher.resource not in {each.storage for each in self.served}:
                stream.end()

    def _hook(self, hooks: list[Hook], predicate: Predicate, action: Action) -> Hook:
        hook = Hook(predicate, action, hooks)
        hooks.append(hook)
        return hook

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        target = exchange.target_of(request.path, self.served)
        verb = exchange.verb_of(request, target)
        record = Record(exchange.call_of(request, verb, target, None), time.monotonic())
        self.journal.records.append(record)
        try:
            body = await exchange.body_of(request)
            record.call = exchange.call_of(request, verb, target, body)
            response = await self._answer(request, record, target, body)
        except Refused as refused:
            response = exchange.answer(refused.body, refused.code)
        except (Reset, Cut):
            record.status = 0
            return exchange.cut(request)
        except Truncated:
            return web.Response()
        record.status = response.status
        return response

    async def _answer(
        self, request: web.Request, record: Record, target: Target | None, body: Any
    ) -> web.StreamResponse:
        call = record.call
        await _run(self._before, call)
        rule = self._faults.strike(call)
        if rule is not None:
            record.fault = rule.action
            await _misbehave_before(rule)
            if rule.action == "status":
                return exchange.refusal(rule)
        if target is None:
            return self._discover(request)
        if call.verb == "watch":
            return await self._watch(request, record, target)
        exchange.check_media_type(request, call.verb, target)
        revision = self.api.storage.revision
        answer, status = self._act(request, call.verb, target, body)
        record.changed = self.api.storage.revision != revision
        await _run(self._after_commit, call)
        response = exchange.answer(answer, status)
        if rule is not None:
            await _misbehave_after(rule, request, response)
        await self._acknowledge(request, record, response)
        return response

    async def _acknowledge(
        self, request: web.Request, record: Record, response: web.Response
    ) -> None:
        if any(hook.predicate(record.call) for hook in self._after_ack):
            record.status = response.status
            await response.prepare(request)
            await response.write_eof()
            await asyncio.sleep(_TILL_THE_CLIENT_HAS_READ_SECONDS)
            await _run(self._after_ack, record.call)

    def _discover(self, request: web.Request) -> web.Response:
        document = discovery.answer(request.path.rstrip("/"), self.served)
        if document is None:
            return web.Response(status=404, text=_NOTHING_HERE)
        return exchange.answer(document)

    def _act(self, request: web.Request, verb: str, target: Target, body: Any) -> tuple[Body, int]:
        """Do what is asked; returns the answer and its HTTP status."""
        resource = target.resource
        if verb == "list":
            return self._list(request, target), 200
        stored = Target(resource.storage, target.namespace, target.name, target.subresource)
        options = exchange.options_of(request, verb)
        if target.subresource == "scale":
            return self._scale(verb, stored, body, options), 200
        if verb == "delete":
            gone = self.api.delete(stored, {**dict(request.query), **(body or {})}, options)
            return exchange.deletion(resource, as_served(resource, gone)), 200
        if verb != "get":
            body = as_stored(resource, body)
        new = False
        match verb:
            case "create":
                answer, new = self.api.create(stored, body, options), True
            case "update":
                answer, new = self.api.replace(stored, body, options)
            case "patch":
                answer = self.api.patch(stored, body, options)
            case "apply":
                answer, new = self.api.apply(stored, body, options)
            case _:
                answer = self.api.read(stored)
        return exchange.seen_by(request, as_served(resource, answer)), 201 if new else 200

    def _scale(self, verb: str, target: Target, body: Any, options: Options) -> Body:
        scale = self.api.scale(target)
        if verb == "get":
            return scale
        if verb == "patch":
            body = merge_patched(scale, body)
        return self.api.rescale(target, body, options)

    def _list(self, request: web.Request, target: Target) -> Body:
        resource, query = target.resource, request.query
        view = Watcher(
            resource.storage, target.namespace or None, exchange.selector_of(request, resource)
        )
        items, revision, token, left = self.api.storage.page(
            lambda: [body for body in self.api.storage.all(resource) if view.selects(body)],
            int(query.get("limit", "0")),
            query.get("continue", ""),
        )
        metadata: Body = {"resourceVersion": str(revision)}
        if token:
            metadata |= {"continue": token}
            metadata |= {"remainingItemCount": left}
        served = (as_served(resource, body) for body in items)
        return exchange.listing(request, resource, served, metadata)

    async def _watch(
        self, request: web.Request, record: Record, target: Target
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        stream = self._open(request, record.call, target)
        if (rule := self._faults.strike(record.call, in_stream=True)) is not None:
            record.fault = rule.action
            stream.strike(rule)
        record.status = response.status
        self._streams.add(stream)
        self.api.storage.watchers.add(stream.watcher)
        try:
            await response.prepare(request)
            await stream.run(response)
        finally:
            self._streams.discard(stream)
            self.api.storage.watchers.discard(stream.watcher)
        return response

    def _open(self, request: web.Request, call: Call, target: Target) -> Stream:
        resource, query, storage = target.resource, request.query, self.api.storage
        watcher = Watcher(
            resource.storage, target.namespace or None, exchange.selector_of(request, resource)
        )
        identity = {"kind": resource.kind, "apiVersion": resource.api_version}
        stream = Stream(
            call,
            watcher,
            float(query.get("timeoutSeconds", _DEFAULT_WATCH_SECONDS)),
            query.get("allowWatchBookmarks") == "true",
            lambda body: exchange.seen_by(request, as_served(resource, {**identity, **body})),
        )
        since = query.get("resourceVersion", "")
        initial = query.get("sendInitialEvents") == "true"
        if initial or since in ("", "0"):
            for body in filter(watcher.selects, storage.all(resource)):
                watcher.queue.put_nowait(("ADDED", body))
            if initial:
                stream.bookmark(storage.revision, initial_events_end="true")
            return stream
        try:
            storage.replay(watcher, int(since))
        except Refused as refused:
            stream.strike(Rule("watch-error", code=refused.code, message=refused.message))
        return stream


async def _run(hooks: list[Hook], call: Call) -> None:
    for hook in tuple(hooks):
        if hook.predicate(call):
            outcome = hook.action(call)
            if inspect.isawaitable(outcome):
                await outcome


async def _misbehave_before(rule: Rule) -> None:
    match rule.action:
        case "hang":
            await asyncio.get_running_loop().create_future()
        case "reset-before":
            raise Reset
        case "slow":
            await asyncio.sleep(rule.seconds)
        case _:
            pass


async def _misbehave_after(rule: Rule, request: web.Request, response: web.Response) -> None:
    match rule.action:
        case "hang-after-commit":
            await asyncio.get_running_loop().create_future()
        case "reset-after-commit":
            raise Reset
        case "truncated":
            whole = response.body
            assert isinstance(whole, bytes)
            half = web.StreamResponse(
                status=response.status,
                headers={"Content-Type": "application/json", "Content-Length": str(len(whole))},
            )
            await half.prepare(request)
            await half.write(whole[: len(whole) // 2])
            if request.transport is not None:
                request.transport.close()
            raise Truncated
        case _:
            pass
