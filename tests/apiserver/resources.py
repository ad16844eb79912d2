"""The kinds the server speaks: how each is addressed, stored and merged."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

Body = dict[str, Any]
Shape = Mapping[str, tuple[str, ...]]
"""List-map-keys by dotted path (`spec.ports`); the empty tuple marks an atomic map."""

ATOMIC: Final[tuple[str, ...]] = ()
SET: Final = ("=",)

MAPS: Final = (
    *("labels", "annotations", "matchLabels", "nodeSelector"),
    *("data", "binaryData", "limits", "requests"),
)
"""Fields whose keys are the user's, whatever the kind."""

_METADATA: Final[Shape] = {
    "metadata.finalizers": SET,
    "metadata.ownerReferences": ("uid",),
    "metadata.ownerReferences[]": ATOMIC,
    "status.conditions": ("type",),
}
_CONTAINER: Final[Shape] = {
    "": ("name",),
    "[].ports": ("containerPort", "protocol"),
    "[].env": ("name",),
    **{
        f"[].env[].valueFrom.{source}": ATOMIC
        for source in ("configMapKeyRef", "fieldRef", "resourceFieldRef", "secretKeyRef")
    },
    "[].resources.claims": ("name",),
    "[].volumeDevices": ("devicePath",),
    "[].volumeMounts": ("mountPath",),
}
_POD: Final[Shape] = {
    **{f"containers{path}": keys for path, keys in _CONTAINER.items()},
    **{f"initContainers{path}": keys for path, keys in _CONTAINER.items()},
    "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution": ATOMIC,
    "hostAliases": ("ip",),
    "imagePullSecrets": ("name",),
    "imagePullSecrets[]": ATOMIC,
    "nodeSelector": ATOMIC,
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "topologySpreadConstraints[].labelSelector": ATOMIC,
    "volumes": ("name",),
    "volumes[].csi.nodePublishSecretRef": ATOMIC,
}


def _pod_at(prefix: str) -> Shape:
    return {f"{prefix}.{path}": keys for path, keys in _POD.items()}


@dataclass(frozen=True, eq=False)
class Resource:
    """
    One kind of object as URLs, discovery and storage see it.

    Attributes:
        generations: what a change of which raises `metadata.generation`; empty: the kind has none.
        shape: how lists and maps merge under server-side apply, where not the usual way.
        upsert: PUT of an absent object creates it.
        unconditional: PUT may leave out `metadata.resourceVersion`.
        deleted_object: DELETE answers with the object instead of a Status.
        fields: what a field selector may name besides `metadata.name` and `metadata.namespace`.
        stored_as: the resource that stores the objects of this one (events have two faces).
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    generations: tuple[str, ...] = ()
    shape: Shape = field(default_factory=lambda: _METADATA)
    upsert: bool = False
    unconditional: bool = True
    deleted_object: bool = False
    fields: tuple[str, ...] = ()
    custom: bool = False
    schema: Mapping[str, Any] = field(default_factory=dict)
    stored_as: "Resource | None" = None

    @property
    def api_version(self) -> str:
        """As objects carry it: `apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """As the API server's messages name it: `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def storage(self) -> "Resource":
        """The resource whose objects these are."""
        return self.stored_as or self


def _builtin(group: str, plural: str, kind: str, version: str = "v1", **facts: Any) -> Resource:
    facts["shape"] = {**_METADATA, **facts.get("shape", {})}
    return Resource(group, version, plural, kind, **facts)


def _shape_of(schema: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, tuple[str, ...]]]:
    """Read the list types out of a structural schema."""
    if schema.get("x-kubernetes-map-type") == "atomic":
        yield path, ATOMIC
    elif schema.get("x-kubernetes-list-type") == "map":
        yield path, tuple(schema["x-kubernetes-list-map-keys"])
    elif schema.get("x-kubernetes-list-type") == "set":
        yield path, SET
    if "items" in schema:
        yield from _shape_of(schema["items"], f"{path}[]")
    for name, child in schema.get("properties", {}).items():
        yield from _shape_of(child, f"{path}.{name}" if path else name)


@functools.cache
def custom_resource(path: Path) -> Resource:
    """Read a CustomResourceDefinition with one version from a file."""
    spec = yaml.safe_load(path.read_text())["spec"]
    names, version = spec["names"], spec["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    return Resource(
        spec["group"],
        version["name"],
        names["plural"],
        names["kind"],
        short=tuple(names.get("shortNames", ())),
        subresources=tuple(version.get("subresources", {})),
        generations=("*",),
        shape={**_METADATA, **dict(_shape_of(schema))},
        unconditional=False,
        custom=True,
        schema=schema,
    )


EVENTS: Final = _builtin(
    "",
    "events",
    "Event",
    short=("ev",),
    upsert=True,
    shape={"involvedObject": ATOMIC, "related": ATOMIC},
    fields=(
        *(f"involvedObject.{name}" for name in ("kind", "namespace", "name", "uid", "fieldPath")),
        *("reason", "type", "reportingComponent", "source"),
    ),
)
NAMESPACES: Final = _builtin(
    "",
    "namespaces",
    "Namespace",
    namespaced=False,
    short=("ns",),
    subresources=("status",),
    fields=("status.phase",),
)
PODS: Final = _builtin(
    "",
    "pods",
    "Pod",
    short=("po",),
    subresources=("status",),
    generations=("spec",),
    shape=_pod_at("spec"),
    deleted_object=True,
    fields=("spec.nodeName", "spec.restartPolicy", "status.phase", "status.podIP"),
)
DEPLOYMENTS: Final = _builtin(
    "apps",
    "deployments",
    "Deployment",
    short=("deploy",),
    subresources=("status", "scale"),
    generations=("spec", "metadata.annotations"),
    shape={"spec.selector": ATOMIC, **_pod_at("spec.template.spec")},
)
REPLICA_SETS: Final = _builtin(
    "apps",
    "replicasets",
    "ReplicaSet",
    short=("rs",),
    subresources=("status", "scale"),
    generations=("spec",),
    shape={"spec.selector": ATOMIC, **_pod_at("spec.template.spec")},
)
SERVICE_MONITORS: Final = Resource(
    "monitoring.coreos.com",
    "v1",
    "servicemonitors",
    "ServiceMonitor",
    short=("smon",),
    subresources=("status",),
    generations=("*",),
    shape={**_METADATA, "spec.selector": ATOMIC},
    unconditional=False,
    custom=True,
)
MODEL_SERVERS: Final = custom_resource(
    Path(__file__).parents[2] / "crds" / "modelservers.yaml",
)

RESOURCES: Final = (
    MODEL_SERVERS,
    SERVICE_MONITORS,
    NAMESPACES,
    PODS,
    EVENTS,
    _builtin("events.k8s.io", "events", "Event", short=("ev",), upsert=True, stored_as=EVENTS),
    DEPLOYMENTS,
    REPLICA_SETS,
    _builtin("", "configmaps", "ConfigMap", short=("cm",)),
    _builtin(
        "",
        "serviceaccounts",
        "ServiceAccount",
        short=("sa",),
        deleted_object=True,
        shape={"secrets": ("name",), "secrets[]": ATOMIC},
    ),
    _builtin(
        "",
        "services",
        "Service",
        short=("svc",),
        subresources=("status",),
        upsert=True,
        deleted_object=True,
        shape={"spec.ports": ("port", "protocol"), "spec.selector": ATOMIC},
    ),
    _builtin("", "resourcequotas", "ResourceQuota", short=("quota",), subresources=("status",)),
    _builtin(
        "autoscaling",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        "v2",
        short=("hpa",),
        subresources=("status",),
        shape={"spec.scaleTargetRef": ATOMIC},
    ),
    _builtin(
        "policy",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        short=("pdb",),
        subresources=("status",),
        generations=("spec",),
        unconditional=False,
        shape={"spec.selector": ATOMIC},
    ),
    _builtin(
        "networking.k8s.io",
        "networkpolicies",
        "NetworkPolicy",
        short=("netpol",),
        generations=("spec",),
        shape={"spec.podSelector": ATOMIC},
    ),
    _builtin("coordination.k8s.io", "leases", "Lease", upsert=True, unconditional=False),
)


def of_kind(kind: str) -> Resource:
    """Find a resource by its kind; of the two faces of Event, the one of the core group."""
    return next(resource for resource in RESOURCES if resource.kind == kind)
