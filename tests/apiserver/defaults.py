"""What the API server fills in where an object says nothing."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final

from apiserver.quantity import canonical
from apiserver.resources import MAPS, Body, Resource


def fill_in(resource: Resource, body: Body) -> None:
    """Set the defaults of *body*'s kind, in place."""
    if resource.schema:
        _from_schema(body, resource.schema)
    if not resource.custom:
        _omit_empty(body)
    if (builtin := _BY_KIND.get(resource.kind)) is not None:
        builtin(body)


def _omit_empty(body: Any) -> None:
    """Drop empty lists and maps, as Go's `omitempty` does; empty structs stay."""
    if isinstance(body, list):
        for item in body:
            _omit_empty(item)
    if isinstance(body, dict):
        for name, value in tuple(body.items()):
            if value == [] or (value == {} and name in MAPS):
                del body[name]
            else:
                _omit_empty(value)


def _set(place: Body, **values: Any) -> None:
    for name, value in values.items():
        if place.get(name) is None:
            place[name] = value


def _from_schema(value: Any, schema: Mapping[str, Any]) -> None:
    """Set a structural schema's defaults and drop what it does not know."""
    properties = schema.get("properties")
    if isinstance(value, dict) and properties:
        _properties(value, properties)
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            for name in set(value) - set(properties) - {"apiVersion", "kind", "metadata"}:
                del value[name]
    elif isinstance(value, dict) and isinstance(schema.get("additionalProperties"), dict):
        for child in value.values():
            _from_schema(child, schema["additionalProperties"])
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            _from_schema(item, schema["items"])


def _properties(value: Body, properties: Mapping[str, Any]) -> None:
    for name, child in properties.items():
        if name not in value and "default" in child:
            value[name] = copy.deepcopy(child["default"])
        if name in value and name != "metadata":
            _from_schema(value[name], child)


def _quantities(place: Body, *names: str) -> None:
    for name in names:
        if isinstance(place.get(name), dict):
            place[name] = {key: canonical(value) for key, value in place[name].items()}
        elif name in place:
            place[name] = canonical(place[name])


def _pod(spec: Body) -> None:
    _set(
        spec,
        restartPolicy="Always",
        dnsPolicy="ClusterFirst",
        schedulerName="default-scheduler",
        terminationGracePeriodSeconds=30,
        securityContext={},
    )
    # Two names of one field: dropping the new one by apply brings it back from the old.
    if account := spec.get("serviceAccountName") or spec.get("serviceAccount"):
        spec |= {"serviceAccountName": account, "serviceAccount": account}
    for container in (*spec.get("initContainers", ()), *spec.get("containers", ())):
        _container(container)
    for volume in spec.get("volumes", ()):
        _volume(volume)


def _container(container: Body) -> None:
    _, _, tag = container.get("image", "").rpartition("/")[2].partition(":")
    pinned = "@" in container.get("image", "") or tag not in ("", "latest")
    _set(
        container,
        imagePullPolicy="IfNotPresent" if pinned else "Always",
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        resources={},
    )
    _quantities(container["resources"], "limits", "requests")
    for port in container.get("ports", ()):
        _set(port, protocol="TCP")
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        if name in container:
            probe = container[name]
            _set(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
            if "httpGet" in probe:
                _set(probe["httpGet"], scheme="HTTP", path="/")
    for variable in container.get("env", ()):
        if "fieldRef" in variable.get("valueFrom", {}):
            _set(variable["valueFrom"]["fieldRef"], apiVersion="v1")


def _volume(volume: Body) -> None:
    for source in ("configMap", "secret", "projected", "downwardAPI"):
        if source in volume:
            _set(volume[source], defaultMode=0o644)
    _quantities(volume.get("emptyDir", {}), "sizeLimit")
    if not set(volume) - {"name"}:
        volume["emptyDir"] = {}


def _deployment(body: Body) -> None:
    spec = body.setdefault("spec", {})
    _set(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600, strategy={})
    _set(spec["strategy"], type="RollingUpdate")
    if spec["strategy"]["type"] == "RollingUpdate":
        _set(spec["strategy"], rollingUpdate={})
        _set(spec["strategy"]["rollingUpdate"], maxSurge="25%", maxUnavailable="25%")
    _template(spec)
    _set(body, status={})


def _template(spec: Body) -> None:
    _set(spec, template={})
    _set(spec["template"], metadata={}, spec={})
    _pod(spec["template"]["spec"])


def _replica_set(body: Body) -> None:
    spec = body.setdefault("spec", {})
    _set(spec, replicas=1)
    _template(spec)
    _set(body, status={"replicas": 0})


def _whole_pod(body: Body) -> None:
    spec = body.setdefault("spec", {})
    _pod(spec)
    _set(spec, enableServiceLinks=True, preemptionPolicy="PreemptLowerPriority", priority=0)
    _set(body, status={"phase": "Pending"})


def _service(body: Body) -> None:
    spec = body.setdefault("spec", {})
    _set(spec, type="ClusterIP", sessionAffinity="None", internalTrafficPolicy="Cluster")
    for port in spec.get("ports", ()):
        _set(port, protocol="TCP", targetPort=port.get("port"))
    if spec["type"] in ("NodePort", "LoadBalancer"):
        _set(spec, externalTrafficPolicy="Cluster")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    else:
        _set(spec, sessionAffinityConfig={"clientIP": {"timeoutSeconds": 10800}})
    if spec["type"] == "LoadBalancer":
        _set(spec, allocateLoadBalancerNodePorts=True)
    _set(body, status={"loadBalancer": {}})


def _autoscaler(body: Body) -> None:
    spec = body.setdefault("spec", {})
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    _set(spec, minReplicas=1)
    if not spec.get("metrics"):
        spec["metrics"] = [{"type": "Resource", "resource": cpu}]
    for metric in spec["metrics"]:
        for source in metric.values():
            if isinstance(source, dict):
                _quantities(source.get("target", {}), "value", "averageValue")
    if "behavior" in spec:
        hundred_percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
        four_pods = {"type": "Pods", "value": 4, "periodSeconds": 15}
        up = spec["behavior"].setdefault("scaleUp", {})
        _set(up, selectPolicy="Max", stabilizationWindowSeconds=0)
        _set(up, policies=[four_pods, hundred_percent])
        down = spec["behavior"].setdefault("scaleDown", {})
        _set(down, selectPolicy="Max", policies=[hundred_percent])
    _set(body, status={"desiredReplicas": 0, "currentMetrics": None})


def _disruption_budget(body: Body) -> None:
    counts = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")
    _set(body, spec={}, status=dict.fromkeys(counts, 0))


def _network_policy(body: Body) -> None:
    spec = body.setdefault("spec", {})
    _set(spec, podSelector={})
    _set(spec, policyTypes=["Ingress", *(["Egress"] if spec.get("egress") else [])])
    for rule in (*spec.get("ingress", ()), *spec.get("egress", ())):
        for port in rule.get("ports", ()):
            _set(port, protocol="TCP")


def _namespace(body: Body) -> None:
    _set(body, spec={"finalizers": ["kubernetes"]}, status={"phase": "Active"})
    labels = body["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = body["metadata"]["name"]


_BY_KIND: Final[Mapping[str, Callable[[Body], None]]] = {
    "Deployment": _deployment,
    "ReplicaSet": _replica_set,
    "Pod": _whole_pod,
    "Service": _service,
    "HorizontalPodAutoscaler": _autoscaler,
    "PodDisruptionBudget": _disruption_budget,
    "NetworkPolicy": _network_policy,
    "Namespace": _namespace,
}
