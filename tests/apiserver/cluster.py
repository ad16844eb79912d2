"""The cluster behind the server as tests reach it directly: no HTTP, no faults, no log."""

from collections.abc import Iterable, Mapping
from typing import Any

from apiserver.api import Api, Options, Target, copied
from apiserver.resources import (
    NAMESPACES,
    RESOURCES,
    SERVICE_MONITORS,
    Body,
    Resource,
    of_kind,
)

KUBECTL = Options(manager="kubectl")


class Cluster:
    """
    Stored objects and the resources that are served.

    Every method is one step: nothing of the operator runs in between. Objects come out as copies.
    """

    def __init__(self, namespaces: Iterable[str] = ("default",)) -> None:
        self.api = Api()
        self.served: set[Resource] = set(RESOURCES)
        for namespace in namespaces:
            self.create_namespace(namespace)

    @property
    def storage_revision(self) -> int:
        """The global resourceVersion: equal before and after means that nothing was written."""
        return self.api.storage.revision

    @property
    def garbage_collection(self) -> bool:
        """Whether objects whose owners are gone are deleted."""
        return self.api.garbage.enabled

    @garbage_collection.setter
    def garbage_collection(self, enabled: bool) -> None:
        self.api.garbage.enabled = enabled
        if enabled:
            self.api.garbage.collect()

    def serve_service_monitors(self, served: bool) -> None:  # noqa: FBT001  - the verb's object
        """Install or remove the ServiceMonitor CRD; removing deletes the ServiceMonitors."""
        if served:
            self.served.add(SERVICE_MONITORS)
            return
        self.served.discard(SERVICE_MONITORS)
        for body in self.api.storage.all(SERVICE_MONITORS):
            self.delete("ServiceMonitor", body["metadata"]["namespace"], body["metadata"]["name"])

    def create_namespace(self, name: str) -> Body:
        """Make a namespace."""
        return self.api.create(Target(NAMESPACES, "", ""), {"metadata": {"name": name}}, KUBECTL)

    def create(self, body: Mapping[str, Any]) -> Body:
        """POST *body* as kubectl."""
        return copied(self.api.create(_target_of(body), dict(body), KUBECTL))

    def apply(self, body: Mapping[str, Any], manager: str = "kubectl") -> Body:
        """Apply *body* by force."""
        options = Options(manager=manager, force=True)
        return copied(self.api.apply(_target_of(body), dict(body), options)[0])

    def find(self, kind: str, namespace: str, name: str) -> Body | None:
        """Read one object; None where there is none."""
        resource = of_kind(kind)
        body = self.api.storage.get(resource, (namespace, name))
        return None if body is None else copied(body)

    def get(self, kind: str, namespace: str, name: str) -> Body:
        """Read one object; raises `Refused` where there is none."""
        return copied(self.api.read(Target(of_kind(kind), namespace, name)))

    def objects(self, kind: str, namespace: str | None = None) -> list[Body]:
        """Read all objects of *kind*, in the order of their keys."""
        return [
            copied(body)
            for body in self.api.storage.all(of_kind(kind))
            if namespace in (None, body["metadata"].get("namespace", ""))
        ]

    def edit(self, kind: str, namespace: str, name: str, patch: Body) -> Body:
        """Merge *patch* into an object as `kubectl patch --type=merge` does."""
        return copied(self.api.patch(Target(of_kind(kind), namespace, name), patch, KUBECTL))

    def set_status(self, kind: str, namespace: str, name: str, status: Body) -> Body:
        """Replace an object's status, as its controller would."""
        target = Target(of_kind(kind), namespace, name, "status")
        body = {**self.api.read(target), "status": status}
        return copied(self.api.replace(target, body, Options(manager="controller"))[0])

    def delete(self, kind: str, namespace: str, name: str, propagation: str = "Background") -> None:
        """Delete one object."""
        target = Target(of_kind(kind), namespace, name)
        self.api.delete(target, {"propagationPolicy": propagation}, KUBECTL)


def _target_of(body: Mapping[str, Any]) -> Target:
    metadata = body["metadata"]
    resource = next(
        resource
        for resource in RESOURCES
        if (resource.api_version, resource.kind) == (body["apiVersion"], body["kind"])
    )
    namespace = metadata.get("namespace", "default") if resource.namespaced else ""
    return Target(resource, namespace, metadata.get("name", ""))
