"""What the API server last said of each object, filed under the ModelServer it belongs to."""

import math
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson

from modelserver_operator import labels
from modelserver_operator.children.replicas import holds_replicas
from modelserver_operator.kinds import MODEL_SERVER, POD, REPLICA_SET, Kind

Body = Mapping[str, Any]

_REMEMBERED_DELETIONS: Final = 10_000


class Key(NamedTuple):
    """Which ModelServer."""

    namespace: str
    name: str


class ChildId(NamedTuple):
    """Which object of a ModelServer: its kind's name and its own."""

    kind: str
    name: str


@dataclass(frozen=True)
class Observed:
    """All that was last seen of one ModelServer."""

    server: dict[str, Any] | None = None
    children: dict[ChildId, dict[str, Any]] = field(default_factory=dict)
    replica_sets: list[dict[str, Any]] = field(default_factory=list)
    pods: list[dict[str, Any]] = field(default_factory=list)


class _Entry(NamedTuple):
    kind: str
    key: Key | None
    namespace: str
    version: int
    json: bytes


class Store:
    """
    Fed by watches, by listings, and by the answers to our own writes.

    Objects are kept as compact JSON: 4 KB a Deployment, where the parsed dict takes 24 KB.
    """

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._filed: dict[Key, set[str]] = defaultdict(set)
        self._gone: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def keys(self) -> Iterator[Key]:
        """Every ModelServer seen."""
        kind = MODEL_SERVER.name
        return iter([e.key for e in self._entries.values() if e.kind == kind and e.key])

    def count_keys(self) -> int:
        """How many ModelServers are known."""
        return sum(1 for _ in self.keys())

    def server(self, key: Key) -> dict[str, Any] | None:
        """The ModelServer alone, as a fresh dict."""
        servers = [entry for entry in self._of(key) if entry.kind == MODEL_SERVER.name]
        server: dict[str, Any] | None = orjson.loads(servers[-1].json) if servers else None
        return server

    def view(self, key: Key) -> Observed:
        """Everything known of *key*, as fresh dicts."""
        observed = Observed()
        server = None
        for entry in self._of(key):
            body = orjson.loads(entry.json)
            if entry.kind == MODEL_SERVER.name:
                server = body
            elif entry.kind == REPLICA_SET.name:
                observed.replica_sets.append(body)
            elif entry.kind == POD.name:
                observed.pods.append(body)
            else:
                observed.children[ChildId(entry.kind, body["metadata"]["name"])] = body
        return Observed(server, observed.children, observed.replica_sets, observed.pods)

    def put(self, kind: Kind, body: Body) -> set[Key]:
        """
        Remember *body*; return the keys whose world has changed.

        Old news is ignored: a watch may tell late what an answer to a write has told already,
        and an answer may come after the object was deleted.
        """
        metadata = body["metadata"]
        uid, version = metadata["uid"], int(metadata["resourceVersion"])
        known = self._entries.get(uid)
        if self._gone.get(uid, -1) >= version or (known is not None and known.version >= version):
            return set()
        key = _key(kind, metadata)
        text = orjson.dumps(_slim(kind, body))
        changed = self._forget(uid)
        self._entries[uid] = _Entry(kind.name, key, metadata["namespace"], version, text)
        if key is not None:
            self._filed[key].add(uid)
            changed.add(key)
        return changed

    def drop(self, uid: str, version: float = math.inf) -> set[Key]:
        """
        Forget an object; return the keys whose world has changed.

        Args:
            uid: the object's.
            version: what is older stays forgotten. A watch by labels calls an object deleted that
                lost its label, and it comes back when we have repaired it; left out: never.
        """
        self._gone[uid] = version
        if len(self._gone) > _REMEMBERED_DELETIONS:
            self._gone.popitem(last=False)
        return self._forget(uid)

    def retain(
        self, kind: Kind, namespace: str | None, alive: Iterable[str], version: float
    ) -> set[Key]:
        """
        Forget what a listing of *kind* no longer has: deletions that no watch has told.

        Args:
            kind: what was listed.
            namespace: where, or None for everywhere.
            alive: the uids in the listing.
            version: the listing's resourceVersion; what was seen later is left alone.

        Returns:
            The keys whose world has changed.
        """
        uids = set(alive)
        gone = [
            uid
            for uid, entry in self._entries.items()
            if entry.kind == kind.name
            and entry.version <= version
            and uid not in uids
            and namespace in (None, entry.namespace)
        ]
        return set[Key]().union(*(self.drop(uid, version) for uid in gone))

    def forget(self, kind: Kind) -> set[Key]:
        """
        Forget all of *kind*; return the keys whose world has changed.

        Nothing is taken for deleted: that the kind is gone may have been a wrong answer, and then
        the same objects are listed again.
        """
        uids = [uid for uid, entry in self._entries.items() if entry.kind == kind.name]
        return set[Key]().union(*(self._forget(uid) for uid in uids))

    def _of(self, key: Key) -> list[_Entry]:
        """
        List the entries of *key*, the newest last.

        While the pages of a listing come in, a deleted object may be known beside its successor.
        """
        entries = (self._entries[uid] for uid in self._filed.get(key, ()))
        return sorted(entries, key=lambda entry: entry.version)

    def _forget(self, uid: str) -> set[Key]:
        entry = self._entries.pop(uid, None)
        if entry is None or entry.key is None:
            return set()
        self._filed[entry.key].discard(uid)
        if not self._filed[entry.key]:
            del self._filed[entry.key]
        return {entry.key}


def _key(kind: Kind, metadata: Body) -> Key | None:
    """A child belongs where its controller says, or, lacking one, where its label says."""
    namespace = metadata["namespace"]
    if kind == MODEL_SERVER:
        return Key(namespace, metadata["name"])
    for reference in metadata.get("ownerReferences", ()):
        if reference.get("controller") and reference["kind"] == MODEL_SERVER.name:
            return Key(namespace, reference["name"])
    name = metadata.get("labels", {}).get(labels.NAME)
    return Key(namespace, name) if name else None


def _slim(kind: Kind, body: Body) -> dict[str, Any]:
    """
    Drop what no decision reads.

    Of who manages which field, that we do and who holds the replica count is kept; of a pod, what
    its status says.
    """
    metadata = {k: v for k, v in body["metadata"].items() if k != "managedFields"}
    managers = [
        {"manager": m["manager"], "operation": m.get("operation")}
        | ({"fieldsV1": {"f:spec": {"f:replicas": {}}}} if holds_replicas(m) else {})
        for m in body["metadata"].get("managedFields", ())
        if m.get("manager") == labels.FIELD_MANAGER or holds_replicas(m)
    ]
    if managers:
        metadata["managedFields"] = managers
    slim = {**body, "kind": kind.name, "apiVersion": kind.api_version, "metadata": metadata}
    if kind == POD:
        slim.pop("spec", None)
    return slim
