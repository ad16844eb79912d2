"""The verbs of the API on the stored objects: create, replace, patch, apply, delete, scale."""

import itertools
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from apiserver import defaults, ownership, rules
from apiserver.failures import STALE, Refused, already_exists, conflict, invalid, not_found
from apiserver.garbage import GarbageCollector
from apiserver.ownership import Manager, Owned, now
from apiserver.resources import NAMESPACES, Body, Resource
from apiserver.storage import Key, Storage

_KEPT_METADATA: Final = (
    "uid",
    "creationTimestamp",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)

_OF_BALANCERS: Final = (
    "externalTrafficPolicy",
    "allocateLoadBalancerNodePorts",
    "healthCheckNodePort",
)


@dataclass(frozen=True)
class Target:
    """What a request is about."""

    resource: Resource
    namespace: str
    name: str
    subresource: str = ""

    @property
    def key(self) -> Key:
        """Under which the object is stored."""
        return self.namespace, self.name


@dataclass(frozen=True)
class Options:
    """Who writes, and how."""

    manager: str = "test"
    dry_run: bool = False
    force: bool = False


def copied(body: Body) -> Body:
    """A deep copy of an object."""
    copy: Body = orjson.loads(orjson.dumps(body))
    return copy


def merge_patched(body: Any, patch: Any) -> Any:
    """Lay a JSON merge patch (RFC 7386) over *body*."""
    if not isinstance(patch, dict):
        return patch
    result = dict(body) if isinstance(body, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patched(result.get(name), value)
    return result


class Api:
    """
    Everything that changes stored objects; each method is one atomic step.

    Raises everywhere: `Refused`, with the status a real API server would answer.
    """

    def __init__(self) -> None:
        self.storage = Storage()
        self.garbage = GarbageCollector(self.storage, self._collected)
        self._addresses = itertools.count(10)
        self._node_ports = itertools.count(30_000)

    def read(self, target: Target) -> Body:
        """GET one object."""
        body = self.storage.get(target.resource, target.key)
        if body is None:
            raise not_found(target.resource, target.name)
        return body

    def create(self, target: Target, body: Body, options: Options) -> Body:
        """POST; *target* names no object."""
        body = copied(body)
        metadata = body.setdefault("metadata", {})
        if "generateName" in metadata and not metadata.get("name"):
            metadata["name"] = f"{metadata['generateName']}{secrets.token_hex(3)[:5]}"
        target = Target(target.resource, target.namespace, metadata.get("name", ""))
        self._identify(target, body)
        if metadata.get("resourceVersion"):
            raise Refused(400, "resourceVersion should not be set on objects to be created")
        if "status" in target.resource.subresources:
            body.pop("status", None)
        metadata.pop("managedFields", None)
        defaults.fill_in(target.resource, body)
        manager = Manager("Update", options.manager, target.resource.api_version)
        mine = {**body, "status": {}} if "status" in target.resource.subresources else body
        owners = ownership.updated({"metadata": {}, "status": {}}, mine, target.resource, manager)
        return self._insert(target, body, owners, options)

    def replace(self, target: Target, body: Body, options: Options) -> tuple[Body, bool]:
        """PUT; returns the object and whether it is new."""
        body = copied(body)
        self._identify(target, body)
        live = self.storage.get(target.resource, target.key)
        if live is None:
            if not target.resource.upsert or target.subresource:
                raise not_found(target.resource, target.name)
            return self.create(target, body, options), True
        metadata = body["metadata"]
        if metadata.get("uid", live["metadata"]["uid"]) != live["metadata"]["uid"]:
            raise _wrong_uid(target, metadata["uid"], live)
        if not metadata.get("resourceVersion") and not target.resource.unconditional:
            why = "Invalid value: 0: must be specified for an update"
            raise invalid(target.resource, target.name, [("metadata.resourceVersion", why)])
        return self._update(target, live, body, options), False

    def patch(self, target: Target, patch: Body, options: Options) -> Body:
        """PATCH with a JSON merge patch."""
        live = self.read(target)
        body = copied(merge_patched(live, patch))
        self._identify(target, body)
        # The status of a custom resource takes no metadata: there a wrong uid goes unseen.
        if not (target.resource.custom and target.subresource == "status"):
            self._same_uid(target, body["metadata"], live)
        return self._update(target, live, body, options)

    def apply(self, target: Target, config: Body, options: Options) -> tuple[Body, bool]:
        """Server-side apply; returns the object and whether it is new."""
        config = copied(config)
        if not options.manager:
            why = "Required value: is required for apply patch"
            raise Refused(422, f'PatchOptions.meta.k8s.io "" is invalid: fieldManager: {why}')
        self._identify(target, config)
        metadata = config["metadata"]
        if metadata.get("managedFields"):
            raise Refused(400, "metadata.managedFields must be nil")
        live = self.storage.get(target.resource, target.key)
        uid = metadata.get("uid")
        if live is None and (target.subresource or uid):
            if target.subresource:
                raise not_found(target.resource, target.name)
            why = (
                f"uid mismatch: the provided object specified uid {uid}, "
                "and no existing object was found"
            )
            raise conflict(target.resource, target.name, why)
        if live is not None:
            self._same_uid(target, metadata, live)
        if live is not None and metadata.get("resourceVersion"):
            self._fresh(target, metadata, live)
        self._only_our_part(target, config)
        manager = Manager("Apply", options.manager, target.resource.api_version, target.subresource)
        base = live or {name: config[name] for name in ("apiVersion", "kind")} | {"metadata": {}}
        body, owners = ownership.applied(
            copied(base), config, target.resource, manager, force=options.force
        )
        defaults.fill_in(target.resource, body)
        if live is None:
            return self._insert(target, body, owners, options), True
        return self._commit(target, live, body, owners, options), False

    def delete(self, target: Target, how: Mapping[str, Any], options: Options) -> Body:
        """DELETE; *how* is the DeleteOptions. Returns the object as it was or is."""
        live = self.read(target)
        metadata = live["metadata"]
        for name, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
            wanted = how.get("preconditions", {}).get(name)
            if wanted and wanted != metadata[name]:
                why = (
                    f"Precondition failed: {word} in precondition: {wanted}, "
                    f"{word} in object meta: {metadata[name]}"
                )
                raise conflict(target.resource, target.name, why)
        finalizers = [*metadata.get("finalizers", ())]
        if how.get("propagationPolicy") == "Foreground":
            finalizers.append("foregroundDeletion")
        if options.dry_run:
            return live
        if how.get("propagationPolicy") == "Orphan":
            self._orphan(metadata["uid"])
        if target.resource is NAMESPACES and self.garbage.enabled:
            self._empty(target.name)
        return self._remove(target, live, list(dict.fromkeys(finalizers)))

    def scale(self, target: Target) -> Body:
        """GET …/scale."""
        live = self.read(target)
        replicas = live["spec"].get("replicas")
        if replicas is None:
            raise Refused(
                500,
                'Internal error occurred: the spec replicas field ".spec.replicas" does not exist',
            )
        metadata = live["metadata"]
        names = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        status = live.get("status", {})
        labels = live["spec"].get("selector", {}).get("matchLabels", {})
        written = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        selector = status.get("selector", written)
        return {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {name: metadata[name] for name in names},
            "spec": {"replicas": replicas},
            "status": {
                "replicas": status.get("replicas", 0),
                **({"selector": selector} if selector else {}),
            },
        }

    def rescale(self, target: Target, scale: Body, options: Options) -> Body:
        """PUT or PATCH …/scale with a whole Scale."""
        live = self.read(target)
        body = copied(live)
        body["spec"]["replicas"] = scale["spec"].get("replicas", 0)
        if version := scale["metadata"].get("resourceVersion"):
            body["metadata"]["resourceVersion"] = version
        self._update(target, live, body, options)
        return self.scale(target)

    def _identify(self, target: Target, body: Body) -> None:
        """Check that *body* is what the URL says, and fill in what only the URL says."""
        resource = target.resource
        body.setdefault("apiVersion", resource.api_version)
        body.setdefault("kind", resource.kind)
        if (body["apiVersion"], body["kind"]) != (resource.api_version, resource.kind):
            raise Refused(400, f"the object provided is not a {resource.kind}")
        metadata = body.setdefault("metadata", {})
        if metadata.setdefault("name", target.name) != target.name:
            raise Refused(400, "the name of the object does not match the name on the URL")
        if not resource.namespaced:
            return
        if metadata.setdefault("namespace", target.namespace) != target.namespace:
            raise Refused(400, "the namespace of the object does not match the request")

    def _fresh(self, target: Target, metadata: Body, live: Body) -> None:
        version = metadata.get("resourceVersion")
        if version and version != live["metadata"]["resourceVersion"]:
            raise conflict(target.resource, target.name, STALE)

    def _same_uid(self, target: Target, metadata: Body, live: Body) -> None:
        uid = metadata.get("uid") or live["metadata"]["uid"]
        if uid != live["metadata"]["uid"]:
            why = f'Invalid value: "{uid}": field is immutable'
            raise invalid(target.resource, target.name, [("metadata.uid", why)])

    def _only_our_part(self, target: Target, config: Body) -> None:
        """Drop what the endpoint does not write: status here, all but status at /status."""
        if target.subresource == "status":
            for name in set(config) - {"apiVersion", "kind", "metadata", "status"}:
                del config[name]
            names = ("name", "namespace")
            config["metadata"] = {
                name: value for name, value in config["metadata"].items() if name in names
            }
        elif "status" in target.resource.subresources:
            config.pop("status", None)

    def _insert(self, target: Target, body: Body, owners: Owned, options: Options) -> Body:
        if target.resource.namespaced:
            self._require_namespace(target)
        metadata = body["metadata"]
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = now()
        if target.resource.generations:
            metadata["generation"] = 1
        self._allocate(body)
        rules.check(target.resource, body, None)
        if self.storage.get(target.resource, target.key) is not None:
            raise already_exists(target.resource, target.name)
        ownership.write_owned(body, owners)
        if options.dry_run:
            return body
        return self.storage.commit(target.resource, target.key, body)

    def _require_namespace(self, target: Target) -> None:
        namespace = self.storage.get(NAMESPACES, ("", target.namespace))
        if namespace is None:
            raise not_found(NAMESPACES, target.namespace)
        if "deletionTimestamp" in namespace["metadata"]:
            raise Refused(
                403,
                f'{target.resource.qualified} "{target.name}" is forbidden: unable to create new '
                f"content in namespace {target.namespace} because it is being terminated",
            )

    def _allocate(self, body: Body) -> None:
        """Give a Service its addresses."""
        if body["kind"] != "Service" or body["spec"]["type"] == "ExternalName":
            return
        spec = body["spec"]
        if not spec.get("clusterIP"):
            spec["clusterIP"] = f"10.0.{next(self._addresses) // 250}.{next(self._addresses) % 250}"
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
        outside = spec["type"] in ("NodePort", "LoadBalancer")
        for port in spec.get("ports", ()):
            if outside and not port.get("nodePort"):
                port["nodePort"] = next(self._node_ports)
            elif not outside:
                port.pop("nodePort", None)
        if spec["type"] == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local":
            spec.setdefault("healthCheckNodePort", next(self._node_ports))

    def _update(self, target: Target, live: Body, body: Body, options: Options) -> Body:
        self._fresh(target, body["metadata"], live)
        resource = target.resource
        if target.subresource == "status":
            body = {**copied(live), "status": body.get("status", {})}
        elif "status" in resource.subresources:
            body.pop("status", None)
            if "status" in live:
                body["status"] = copied(live["status"])
        if body["kind"] == "Service":
            for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                if name in live["spec"]:
                    body["spec"].setdefault(name, live["spec"][name])
        body["metadata"].pop("managedFields", None)
        defaults.fill_in(resource, body)
        manager = Manager("Update", options.manager, resource.api_version, target.subresource)
        owners = ownership.updated(live, body, resource, manager)
        return self._commit(target, live, body, owners, options)

    def _commit(
        self, target: Target, live: Body, body: Body, owners: Owned, options: Options
    ) -> Body:
        metadata, before = body["metadata"], live["metadata"]
        metadata["resourceVersion"] = before["resourceVersion"]
        for name in _KEPT_METADATA:
            metadata.pop(name, None)
            if name in before:
                metadata[name] = before[name]
        _drop_what_the_old_type_needed(body, live)
        self._allocate(body)
        rules.check(target.resource, body, live)
        ownership.write_owned(body, owners)
        if _without_times(body) == _without_times(live):
            return live
        if _generation_moves(target.resource, live, body):
            metadata["generation"] += 1
        if options.dry_run:
            return body
        if "deletionTimestamp" in metadata and not metadata.get("finalizers"):
            self.storage.commit(target.resource, target.key, None)
            return body
        return self.storage.commit(target.resource, target.key, body)

    def _remove(self, target: Target, live: Body, finalizers: list[str]) -> Body:
        metadata = live["metadata"]
        if not finalizers:
            return self.storage.commit(target.resource, target.key, None)
        if "deletionTimestamp" in metadata and finalizers == metadata.get("finalizers"):
            return live
        body = copied(live)
        body["metadata"].setdefault("deletionTimestamp", now())
        body["metadata"].setdefault("deletionGracePeriodSeconds", 0)
        body["metadata"]["finalizers"] = finalizers
        if "generation" in metadata and "deletionTimestamp" not in metadata:
            body["metadata"]["generation"] += 1
        return self.storage.commit(target.resource, target.key, body)

    def _collected(self, resource: Resource, body: Body) -> None:
        metadata = body["metadata"]
        target = Target(resource, metadata.get("namespace", ""), metadata["name"])
        finalizers = [
            name for name in metadata.get("finalizers", ()) if name != "foregroundDeletion"
        ]
        self._remove(target, body, finalizers)

    def _orphan(self, uid: str) -> None:
        for resource in self.storage.resources():
            for body in self.storage.all(resource):
                metadata = body["metadata"]
                left = [
                    reference
                    for reference in metadata.get("ownerReferences", ())
                    if reference["uid"] != uid
                ]
                if len(left) != len(metadata.get("ownerReferences", ())):
                    orphan = copied(body)
                    orphan["metadata"]["ownerReferences"] = left
                    key = metadata.get("namespace", ""), metadata["name"]
                    self.storage.commit(resource, key, orphan)

    def _empty(self, namespace: str) -> None:
        for resource in self.storage.resources():
            for body in self.storage.all(resource):
                if body["metadata"].get("namespace") == namespace:
                    target = Target(resource, namespace, body["metadata"]["name"])
                    self._remove(target, body, [*body["metadata"].get("finalizers", ())])


def _wrong_uid(target: Target, uid: str, live: Body) -> Refused:
    return conflict(
        target.resource,
        target.name,
        f"Precondition failed: UID in precondition: {uid}, "
        f"UID in object meta: {live['metadata']['uid']}",
    )


def _drop_what_the_old_type_needed(body: Body, live: Body) -> None:
    """A Service that changes its type loses what only the old one could have, if left as it was."""
    if body["kind"] != "Service" or body["spec"]["type"] == live["spec"]["type"]:
        return
    kept = {"NodePort": ("externalTrafficPolicy",), "LoadBalancer": _OF_BALANCERS}
    for name in set(_OF_BALANCERS) - set(kept.get(body["spec"]["type"], ())):
        if name in live["spec"] and body["spec"].get(name) == live["spec"][name]:
            del body["spec"][name]


def _without_times(body: Body) -> Body:
    """What a write is compared by: managedFields whose only news is the time are no news."""
    entries = [
        {name: value for name, value in entry.items() if name != "time"}
        for entry in body["metadata"].get("managedFields", ())
    ]
    return {**body, "metadata": {**body["metadata"], "managedFields": entries}}


def _generation_moves(resource: Resource, live: Body, body: Body) -> bool:
    for path in resource.generations:
        if path == "*":
            ours = set(live) | set(body)
            if any(live.get(name) != body.get(name) for name in ours - {"metadata", "status"}):
                return True
        elif _at(live, path) != _at(body, path):
            return True
    return False


def _at(body: Body, path: str) -> Any:
    value: Any = body
    for name in path.split("."):
        value = value.get(name, {})
    return value
