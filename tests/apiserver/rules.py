"""The API server's own validation, as far as an operator of Deployments can run into it."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from apiserver.failures import invalid
from apiserver.resources import Body, Resource

Cause = tuple[str, str]

_SUBDOMAIN: Final = re.compile(r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")
_LABEL: Final = re.compile(r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$")
_HANDLERS: Final = {"httpGet", "tcpSocket", "exec", "grpc"}
_IMMUTABLE: Final = "field is immutable"


def check(resource: Resource, new: Body, old: Body | None) -> None:
    """Raise `Refused` (422) where *new* is invalid, or may not follow *old*."""
    causes = [*_metadata(resource, new), *_BY_KIND.get(resource.kind, _anything)(new)]
    if old is not None:
        causes += _no_new_finalizers(new, old)
        causes += _CHANGES.get(resource.kind, _any_change)(new, old)
    if causes:
        raise invalid(resource, new["metadata"].get("name", ""), causes)


def _no_new_finalizers(new: Body, old: Body) -> Iterator[Cause]:
    before, after = old["metadata"], new["metadata"]
    added = set(after.get("finalizers", ())) - set(before.get("finalizers", ()))
    if "deletionTimestamp" in before and added:
        yield "metadata.finalizers", f"Forbidden: no new finalizers can be added: {sorted(added)}"


def _anything(_: Body) -> Iterator[Cause]:
    yield from ()


def _any_change(_: Body, __: Body) -> Iterator[Cause]:
    yield from ()


def _metadata(resource: Resource, body: Body) -> Iterator[Cause]:
    metadata = body["metadata"]
    name = metadata.get("name", "")
    if not (_LABEL if resource.kind == "Service" else _SUBDOMAIN).match(name):
        yield "metadata.name", f'Invalid value: "{name}": a DNS name is wanted'
    references = metadata.get("ownerReferences", ())
    for reference in references:
        for required in ("apiVersion", "kind", "name", "uid"):
            if not reference.get(required):
                yield f"metadata.ownerReferences.{required}", "Invalid value: must not be empty"
    if sum(bool(reference.get("controller")) for reference in references) > 1:
        yield (
            "metadata.ownerReferences",
            "Invalid value: Only one reference can have Controller set to true",
        )


def _pod_spec(spec: Mapping[str, Any], path: str) -> Iterator[Cause]:
    if not spec.get("containers"):
        yield f"{path}.containers", "Required value"
    for index, volume in enumerate(spec.get("volumes", ())):
        if len(volume) > 2:
            yield f"{path}.volumes[{index}]", "Forbidden: may not specify more than 1 volume type"
    yield from _security(spec, path)
    volumes = {volume["name"] for volume in spec.get("volumes", ())}
    for index, container in enumerate(spec.get("containers", ())):
        yield from _container(container, f"{path}.containers[{index}]", volumes)


def _container(container: Mapping[str, Any], path: str, volumes: set[str]) -> Iterator[Cause]:
    for required in ("name", "image"):
        if not container.get(required):
            yield f"{path}.{required}", "Required value"
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        if name in container and not _HANDLERS & container[name].keys():
            yield f"{path}.{name}", "Required value: must specify a handler type"
    yield from _security(container, path)
    for number, mount in enumerate(container.get("volumeMounts", ())):
        if mount.get("name") not in volumes:
            yield f"{path}.volumeMounts[{number}].name", f'Not found: "{mount.get("name")}"'


def _security(part: Mapping[str, Any], path: str) -> Iterator[Cause]:
    profile = part.get("securityContext", {}).get("seccompProfile", {})
    if "localhostProfile" in profile and profile.get("type") != "Localhost":
        place = f"{path}.securityContext.seccompProfile.localhostProfile"
        yield place, "Invalid value: can only be set when seccomp type is Localhost"


def _workload(body: Body) -> Iterator[Cause]:
    spec = body["spec"]
    wanted = spec.get("selector", {}).get("matchLabels", {})
    labels = spec["template"].get("metadata", {}).get("labels", {})
    if not spec.get("selector"):
        yield "spec.selector", "Required value"
    elif wanted.items() - labels.items():
        yield "spec.template.metadata.labels", "Invalid value: `selector` does not match `labels`"
    if spec["replicas"] < 0:
        yield "spec.replicas", f"Invalid value: {spec['replicas']}: must not be negative"
    yield from _pod_spec(spec["template"]["spec"], "spec.template.spec")


def _pod(body: Body) -> Iterator[Cause]:
    yield from _pod_spec(body["spec"], "spec")


def _service(body: Body) -> Iterator[Cause]:
    spec = body["spec"]
    if not spec.get("ports") and spec["type"] != "ExternalName" and spec.get("clusterIP") != "None":
        yield "spec.ports", "Required value"
    outside = spec["type"] in ("NodePort", "LoadBalancer")
    if "externalTrafficPolicy" in spec and not outside:
        yield "spec.externalTrafficPolicy", "Invalid value: may only be set for outside types"
    ports = spec.get("ports", ())
    for index, port in enumerate(ports):
        if len(ports) > 1 and not port.get("name"):
            yield f"spec.ports[{index}].name", "Required value"
        elif port.get("name") and port["name"] in {each.get("name") for each in ports[:index]}:
            yield f"spec.ports[{index}].name", f'Duplicate value: "{port["name"]}"'


def _autoscaler(body: Body) -> Iterator[Cause]:
    spec = body["spec"]
    if spec.get("maxReplicas", 0) < 1:
        yield "spec.maxReplicas", "Invalid value: must be greater than 0"
    elif spec["maxReplicas"] < spec["minReplicas"]:
        yield "spec.maxReplicas", "Invalid value: must be greater than or equal to `minReplicas`"
    if not spec.get("scaleTargetRef", {}).get("name"):
        yield "spec.scaleTargetRef.name", "Required value"


def _disruption_budget(body: Body) -> Iterator[Cause]:
    if {"minAvailable", "maxUnavailable"} <= body.get("spec", {}).keys():
        yield "spec", "Invalid value: minAvailable and maxUnavailable cannot be both set"


def _event(body: Body) -> Iterator[Cause]:
    if body.get("eventTime"):
        for required in ("reportingComponent", "reportingInstance", "action", "reason"):
            if not body.get(required):
                yield required, "Required value"
    if body["involvedObject"].get("namespace", "default") != body["metadata"]["namespace"]:
        yield "involvedObject.namespace", "Invalid value: does not match event.namespace"


def _model_server(body: Body) -> Iterator[Cause]:
    if not isinstance(body.get("spec"), dict):
        yield "spec", "Required value"


def _selector_stays(new: Body, old: Body) -> Iterator[Cause]:
    if new["spec"].get("selector") != old["spec"].get("selector"):
        yield "spec.selector", f"Invalid value: {_IMMUTABLE}"


def _frozen_data_stays(new: Body, old: Body) -> Iterator[Cause]:
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield "immutable", "Forbidden: field is immutable when `immutable` is set"
    for name in ("data", "binaryData"):
        if new.get(name, {}) != old.get(name, {}):
            yield name, "Forbidden: field is immutable when `immutable` is set"


def _cluster_ip_stays(new: Body, old: Body) -> Iterator[Cause]:
    if new["spec"].get("clusterIP") != old["spec"].get("clusterIP"):
        yield "spec.clusterIPs[0]", f"Invalid value: {_IMMUTABLE}"


_BY_KIND: Final[Mapping[str, Callable[[Body], Iterator[Cause]]]] = {
    "Deployment": _workload,
    "ReplicaSet": _workload,
    "Pod": _pod,
    "Service": _service,
    "HorizontalPodAutoscaler": _autoscaler,
    "PodDisruptionBudget": _disruption_budget,
    "Event": _event,
    "ModelServer": _model_server,
}
_CHANGES: Final[Mapping[str, Callable[[Body, Body], Iterator[Cause]]]] = {
    "Deployment": _selector_stays,
    "ReplicaSet": _selector_stays,
    "ConfigMap": _frozen_data_stays,
    "Service": _cluster_ip_stays,
}
