"""
One conversation with an API server, to have two servers' answers compared.

`MODELSERVER_KUBECONFIG=… python -m apiserver.conversation >tests/apiserver/answers.json` records
what a real one answers; one without controllers, or they join in.
"""

import asyncio
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kubernetes.aio import client, config

from apiserver import discovery, fieldsets
from apiserver.exchange import APPLY, MERGE
from apiserver.resources import RESOURCES, Body

_OWN_TO_EACH_SERVER: Final = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "selfLink",
)
_OWN_TO_EACH_SERVICE: Final = ("clusterIP", "clusterIPs", "nodePort", "healthCheckNodePort")


@dataclass(frozen=True)
class Step:
    """
    One request.

    In strings of the body, `$uid:…` and `$version:…` stand for what was last seen of the object at
    that path, `$namespace` for the namespace.
    """

    about: str
    method: str
    path: str
    body: Body | None = None
    content_type: str = "application/json"
    query: Mapping[str, str] = field(default_factory=dict)


async def held(api: client.ApiClient, namespace: str) -> list[Body]:
    """Have the whole conversation; returns the answers."""
    speaker = Speaker(api, namespace)
    return [await speaker.say(step) for step in CONVERSATION]


class Speaker:
    """Has the conversation with one server, in one namespace."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._seen: dict[str, Body] = {}

    async def say(self, step: Step) -> Body:
        """Take one step; returns the answer without what is each server's own."""
        response = await self._send(step)
        answer = json.loads(response[1])
        metadata = answer.get("metadata", {})
        place = f"{step.path.split('/')[0]}/{metadata.get('name')}"
        outcome: Body = {"about": step.about, "code": response[0]}
        if metadata.get("name") and "resourceVersion" in metadata:
            before = self._seen.get(place, {})
            outcome["moved"] = metadata["resourceVersion"] != before.get("resourceVersion")
            self._seen[place] = metadata
        if response[0] >= 400:
            return {**outcome, "reason": answer.get("reason", "")}
        return {**outcome, "body": _comparable(answer)}

    async def _send(self, step: Step) -> tuple[int, bytes]:
        plural, _, name = step.path.partition("/")
        resource = next(each for each in RESOURCES if plural in (each.plural, each.qualified))
        path = f"{discovery.base(resource)}/namespaces/{self._namespace}/{resource.plural}"
        request = await self._api.param_serialize(
            step.method,
            f"{path}/{name}" if name else path,
            query_params=list(step.query.items()),
            header_params={"Content-Type": step.content_type, "Accept": "application/json"},
            body=self._filled(step.body),
            auth_settings=["BearerToken"],
        )
        response = await self._api.call_api(*request)
        return response.status, await response.read()

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._filled(child) for name, child in value.items()}
        if isinstance(value, list):
            return [self._filled(child) for child in value]
        if value == "$namespace":
            return self._namespace
        if isinstance(value, str) and value.startswith("$"):
            word, _, place = value[1:].partition(":")
            return self._seen[place]["uid" if word == "uid" else "resourceVersion"]
        return value


def _comparable(value: Any) -> Any:
    """Leave out what is each server's own."""
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    if not isinstance(value, dict):
        return value
    left = {
        name: _comparable(child)
        for name, child in value.items()
        if name not in (*_OWN_TO_EACH_SERVER, *_OWN_TO_EACH_SERVICE, "namespace")
    }
    if value.get("kind") == "Event":  # remembers owners in the words of its last writer's face
        del left["metadata"]["managedFields"]
    if "managedFields" in value:
        left["managedFields"] = _owners(value["managedFields"])
    if value.get("kind") == "ModelServer":  # its schema's defaults may change: no news here
        left["spec"] = {"replicas": left["spec"].get("replicas")}
        for manager, paths in left["metadata"].get("managedFields", {}).items():
            ours = [path for path in paths if not path.startswith("f:spec")]
            left["metadata"]["managedFields"][manager] = ours
    return left


def _owners(entries: list[Body]) -> Body:
    """Compare applies exactly, updates by their leaves: the real server's dots follow Go types."""
    owners: Body = {}
    for entry in entries:
        paths = fieldsets.decoded(entry["fieldsV1"])
        if entry["operation"] == "Update":
            inner = {path[:end] for path in paths for end in range(1, len(path))}
            paths -= inner
        words = (entry["operation"], entry["manager"], entry.get("subresource", ""))
        owners[" ".join(filter(None, words))] = sorted("/".join(path) for path in paths)
    return owners


def _applied(about: str, path: str, body: Body, manager: str = "op", **query: str) -> Step:
    options = {"fieldManager": manager, **query}
    return Step(about, "PATCH", path, body, APPLY, {k: v for k, v in options.items() if v})


def _forced(about: str, path: str, body: Body, manager: str = "op") -> Step:
    return _applied(about, path, body, manager, force="true")


def _merged(about: str, path: str, body: Body) -> Step:
    return Step(about, "PATCH", path, body, MERGE, {"fieldManager": "merger"})


def _got(path: str) -> Step:
    return Step(f"what is there now: {path}", "GET", path)


def _deployment(container: Body | None = None, **spec: Any) -> Body:
    labels = {"app": "web"}
    runtime = {"name": "runtime", "image": "example/runtime:1", **(container or {})}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [runtime]}},
            **spec,
        },
    }


def _object(kind: str, api_version: str, name: str, **rest: Any) -> Body:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, **rest.pop("metadata", {})},
        **rest,
    }


def _config_map(**rest: Any) -> Body:
    return _object("ConfigMap", "v1", "settings", **rest)


def _service(*ports: Body, **spec: Any) -> Body:
    return _object("Service", "v1", "web", spec={"ports": [*ports], **spec})


_STRANGE_UID: Final = "11111111-2222-3333-4444-555555555555"
_RICH_CONTAINER: Final[Body] = {
    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
    "ports": [{"name": "http", "containerPort": 8000}],
    "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"cpu": 2}},
    "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5},
    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108  - inside a container
}
_RICH: Final = _deployment(_RICH_CONTAINER, replicas=3)
_RICH["spec"]["template"]["spec"] |= {
    "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1024Mi"}}],
    "serviceAccountName": "web",
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "zone",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"app": "web"}},
        }
    ],
}
_SIDECAR: Final = _object(
    "Deployment",
    "apps/v1",
    "web",
    metadata={"labels": {"team": "blue"}},
    spec={
        "template": {
            "spec": {
                "containers": [
                    {"name": "sidecar", "image": "example/sidecar:1"},
                    {"name": "runtime", "env": [{"name": "C", "value": "3"}]},
                ]
            }
        }
    },
)

_DEPLOYMENTS: Final = (
    _forced("replicas alone create nothing", "deployments/web", {
        **_object("Deployment", "apps/v1", "web"), "spec": {"replicas": 2}}),
    _forced("a uid creates nothing", "deployments/web", {
        **_RICH, "metadata": {"name": "web", "uid": _STRANGE_UID}}),
    _applied("an apply needs a manager", "deployments/web", _RICH, manager=""),
    _forced("an apply creates", "deployments/web", _RICH),
    _forced("the same again changes nothing", "deployments/web", _RICH),
    _forced("an older uid is refused", "deployments/web", {
        **_RICH, "metadata": {"name": "web", "uid": _STRANGE_UID}}),
    _forced("the right uid passes", "deployments/web", {
        **_RICH, "metadata": {**_RICH["metadata"], "uid": "$uid:deployments/web"}}),
    _forced("a stale version is refused", "deployments/web", {
        **_RICH, "metadata": {**_RICH["metadata"], "resourceVersion": "1"}}),
    _forced("another name is refused", "deployments/web", {
        **_RICH, "metadata": {"name": "other"}}),
    _applied("another manager adds", "deployments/web", _SIDECAR, manager="mesh"),
    _applied("another manager conflicts", "deployments/web", {
        **_object("Deployment", "apps/v1", "web"), "spec": {"replicas": 7}}, manager="scaler"),
    _applied("agreement is no conflict", "deployments/web", {
        **_object("Deployment", "apps/v1", "web"), "spec": {"replicas": 3}}, manager="scaler"),
    _forced("replicas dropped with a second owner stay", "deployments/web", {
        **_RICH, "spec": {k: v for k, v in _RICH["spec"].items() if k != "replicas"}}),
    _forced("dropped fields are pruned, foreign ones stay", "deployments/web", _deployment(
        {"env": [{"name": "B", "value": "9"}], "ports": [{"containerPort": 8000}]})),
    _forced("the other manager leaves", "deployments/web", _object(
        "Deployment", "apps/v1", "web"), manager="mesh"),
    _forced("force takes", "deployments/web", _deployment(replicas=5)),
    _forced("replicas dropped by the sole owner fall back to 1", "deployments/web", _deployment()),
    _forced("a strategy", "deployments/web", _deployment(
        strategy={"rollingUpdate": {"maxUnavailable": 0}})),
    _forced("no strategy", "deployments/web", _deployment()),
    _forced("a seccomp profile that is two", "deployments/web", _deployment({
        "securityContext": {"seccompProfile": {
            "type": "RuntimeDefault", "localhostProfile": "x.json"}}})),
    _forced("an annotation", "deployments/web", {
        **_deployment(), "metadata": {"name": "web", "annotations": {"a": "1"}}}),
    _forced("the selector is immutable", "deployments/web", _deployment(
        selector={"matchLabels": {"app": "web", "x": "y"}})),
    _merged("a merge patch", "deployments/web", {"spec": {"replicas": 4}}),
    _merged("a merge patch of nothing new", "deployments/web", {"spec": {"replicas": 4}}),
    _merged("a merge patch with a wrong uid", "deployments/web", {
        "metadata": {"uid": _STRANGE_UID}, "spec": {"replicas": 5}}),
    _merged("a merge patch with a stale version", "deployments/web", {
        "metadata": {"resourceVersion": "1"}, "spec": {"replicas": 5}}),
    Step("the scale", "GET", "deployments/web/scale"),
    Step("a new scale", "PATCH", "deployments/web/scale", {"spec": {"replicas": 6}}, MERGE,
         {"fieldManager": "autoscaler"}),
    _merged("a status with a wrong uid", "deployments/web/status", {
        "metadata": {"uid": _STRANGE_UID}, "status": {"observedGeneration": 1}}),
    _merged("a status with a stale version", "deployments/web/status", {
        "metadata": {"resourceVersion": "1"}, "status": {"observedGeneration": 1}}),
    _got("deployments/web"),
    Step("a strange patch", "PATCH", "deployments/web", {"op": "add"}, "application/x-json"),
    Step("POST again", "POST", "deployments", _deployment()),
    Step("POST with two controllers", "POST", "configmaps", _config_map(metadata={
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "A", "name": "a", "uid": "1", "controller": True},
            {"apiVersion": "v1", "kind": "A", "name": "b", "uid": "2", "controller": True},
        ]})),
    Step("DELETE of another uid", "DELETE", "deployments/web", {
        "preconditions": {"uid": _STRANGE_UID}}),
    Step("DELETE with the uid", "DELETE", "deployments/web", {
        "preconditions": {"uid": "$uid:deployments/web"}, "propagationPolicy": "Background"}),
    Step("DELETE of nothing", "DELETE", "deployments/web"),
    _merged("a merge patch of nothing", "deployments/web", {"spec": {"replicas": 4}}),
    Step("PUT of nothing", "PUT", "deployments/web", _deployment()),
)  # fmt: skip

_SMALL_CHILDREN: Final = (
    _forced("a ConfigMap", "configmaps/settings", _config_map(
        data={"a": "1"}, immutable=True, metadata={"labels": {"set": "of-two"}})),
    _forced("immutable data", "configmaps/settings", _config_map(data={"a": "2"}, immutable=True)),
    _forced("no longer immutable", "configmaps/settings", _config_map(data={"a": "1"})),
    Step("a mutable ConfigMap", "POST", "configmaps", _object(
        "ConfigMap", "v1", "loose", data={"a": "1", "b": "2"}, metadata={
            "labels": {"set": "of-two"}, "finalizers": ["example.com/hold"]})),
    _forced("apply over what was posted", "configmaps/loose", _object(
        "ConfigMap", "v1", "loose", data={"a": "9"})),
    _merged("null removes", "configmaps/loose", {"data": {"b": None}}),
    Step("PUT", "PUT", "configmaps/loose", _object(
        "ConfigMap", "v1", "loose", data={"c": "3"}, metadata={
            "finalizers": ["example.com/hold"]}), query={"fieldManager": "putter"}),
    Step("PUT with a stale version", "PUT", "configmaps/loose", _object(
        "ConfigMap", "v1", "loose", metadata={"resourceVersion": "1"})),
    Step("PUT with a wrong uid", "PUT", "configmaps/loose", _object(
        "ConfigMap", "v1", "loose", metadata={"uid": _STRANGE_UID})),
    Step("a list by labels", "GET", "configmaps", query={"labelSelector": "set=of-two"}),
    Step("a list by sets", "GET", "configmaps", query={"labelSelector": "set in (x,of-two),!no"}),
    Step("a list by name", "GET", "configmaps", query={"fieldSelector": "metadata.name=loose"}),
    Step("an unknown field", "GET", "configmaps", query={"fieldSelector": "data.a=1"}),
    Step("a broken selector", "GET", "configmaps", query={"labelSelector": "a b c"}),
    Step("DELETE waits for finalizers", "DELETE", "configmaps/loose"),
    Step("DELETE again", "DELETE", "configmaps/loose"),
    _merged("the last finalizer goes", "configmaps/loose", {"metadata": {"finalizers": None}}),
    Step("gone", "GET", "configmaps/loose"),
    _forced("a ServiceAccount", "serviceaccounts/web", _object(
        "ServiceAccount", "v1", "web", automountServiceAccountToken=False)),
    Step("DELETE of a ServiceAccount", "DELETE", "serviceaccounts/web"),
    _forced("a Service", "services/web", _service(
        {"name": "http", "port": 80, "targetPort": "http"}, selector={"app": "web"})),
    _forced("the same Service", "services/web", _service(
        {"name": "http", "port": 80, "targetPort": "http"}, selector={"app": "web"})),
    _forced("another port", "services/web", _service(
        {"name": "http", "port": 81, "targetPort": "http"}, selector={"app": "web"})),
    _forced("another type", "services/web", _service(
        {"name": "http", "port": 81}, {"name": "more", "port": 82}, type="NodePort")),
    _forced("the first type again", "services/web", _service({"name": "http", "port": 81})),
    _forced("no ports", "services/none", _object("Service", "v1", "none", spec={})),
    Step("DELETE of a Service", "DELETE", "services/web"),
    _forced("an HPA", "horizontalpodautoscalers/web", _object(
        "HorizontalPodAutoscaler", "autoscaling/v2", "web", spec={
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 2, "maxReplicas": 5, "behavior": {"scaleDown": {
                "stabilizationWindowSeconds": 60}}})),
    _forced("an HPA with metrics", "horizontalpodautoscalers/web", _object(
        "HorizontalPodAutoscaler", "autoscaling/v2", "web", spec={
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "maxReplicas": 5, "metrics": [{"type": "Resource", "resource": {
                "name": "memory", "target": {"type": "AverageValue", "averageValue": "1024Mi"}}}],
        })),
    _forced("an HPA upside down", "horizontalpodautoscalers/web", _object(
        "HorizontalPodAutoscaler", "autoscaling/v2", "web", spec={
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": 6, "maxReplicas": 5})),
    _forced("a PDB", "poddisruptionbudgets/web", _object(
        "PodDisruptionBudget", "policy/v1", "web", spec={
            "maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": {"app": "web"}}})),
    _forced("a PDB the other way round", "poddisruptionbudgets/web", _object(
        "PodDisruptionBudget", "policy/v1", "web", spec={
            "minAvailable": "50%", "selector": {"matchLabels": {"app": "web"}}})),
    _forced("a PDB both ways", "poddisruptionbudgets/web", _object(
        "PodDisruptionBudget", "policy/v1", "web", spec={"minAvailable": 1, "maxUnavailable": 1})),
    _forced("a NetworkPolicy", "networkpolicies/web", _object(
        "NetworkPolicy", "networking.k8s.io/v1", "web", spec={
            "podSelector": {"matchLabels": {"app": "web"}},
            "ingress": [{"ports": [{"port": "http"}, {"port": 9}]}],
            "egress": [{"ports": [{"port": 53, "protocol": "UDP"}]}]})),
    _forced("a NetworkPolicy without egress", "networkpolicies/web", _object(
        "NetworkPolicy", "networking.k8s.io/v1", "web", spec={
            "podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"],
            "ingress": [{"ports": [{"port": 9}, {"port": "http"}]}]})),
    Step("DELETE of a NetworkPolicy", "DELETE", "networkpolicies/web"),
)  # fmt: skip

_LEASE: Final = _object("Lease", "coordination.k8s.io/v1", "leader", spec={
    "holderIdentity": "a", "leaseDurationSeconds": 10, "renewTime": "2026-01-02T03:04:05.000006Z",
})  # fmt: skip
_EVENT: Final = _object(
    "Event", "v1", "it-happened", message="so", reason="Because", type="Normal",
    involvedObject={"kind": "Pod", "name": "p", "namespace": "$namespace", "uid": "u"},
)  # fmt: skip

_NEW_EVENT: Final = _object(
    "Event", "events.k8s.io/v1", "it-happened-anew", note="so", reason="Because", type="Normal",
    eventTime="2026-01-02T03:04:05.000006Z", action="Reconcile",
    reportingController="modelserver.dev/operator", reportingInstance="operator-0",
    regarding={"kind": "Pod", "name": "p", "namespace": "$namespace", "uid": "u"},
)  # fmt: skip

_LEASES_AND_EVENTS: Final = (
    Step("PUT creates a Lease", "PUT", "leases/put", {
        **_LEASE, "metadata": {"name": "put"}}),
    Step("PUT creates a Service", "PUT", "services/put", {
        **_service({"port": 1}), "metadata": {"name": "put"}}),
    Step("PUT creates no ConfigMap", "PUT", "configmaps/put", {
        **_config_map(), "metadata": {"name": "put"}}),
    Step("a bad name", "POST", "configmaps", {**_config_map(), "metadata": {"name": "A_b"}}),
    Step("a dry run", "POST", "leases", {
        **_LEASE, "metadata": {"name": "dry"}}, query={"dryRun": "All"}),
    Step("after the dry run", "GET", "leases/dry"),
    Step("a Lease", "POST", "leases", _LEASE),
    Step("a Lease that is taken", "POST", "leases", _LEASE),
    Step("a Lease renewed", "PUT", "leases/leader", {
        **_LEASE, "metadata": {"name": "leader", "resourceVersion": "$version:leases/leader"}}),
    Step("a Lease seized", "PUT", "leases/leader", {
        "kind": "Lease", "apiVersion": "coordination.k8s.io/v1",
        "metadata": {"name": "leader", "resourceVersion": "$version:leases/leader"},
        "spec": {**_LEASE["spec"], "holderIdentity": "b"}}),
    Step("a Lease renewed late", "PUT", "leases/leader", {
        **_LEASE, "metadata": {"name": "leader", "resourceVersion": "1"}}),
    Step("a Lease without a version", "PUT", "leases/leader", _LEASE),
    Step("a core Event", "POST", "events", _EVENT),
    Step("Events of an object", "GET", "events", query={
        "fieldSelector": "involvedObject.uid=u,reason=Because"}),
    Step("an Event", "POST", "events.events.k8s.io", _NEW_EVENT),
    Step("an Event without an action", "POST", "events.events.k8s.io", {
        **_NEW_EVENT, "metadata": {"name": "other"}, "action": ""}),
    _merged("an Event again", "events.events.k8s.io/it-happened-anew", {
        "series": {"count": 2, "lastObservedTime": "2026-01-02T03:05:05.000006Z"}}),
    Step("the same Event's other face", "GET", "events/it-happened-anew"),
    Step("DELETE of an Event", "DELETE", "events/it-happened"),
)  # fmt: skip

_MODEL_SERVER: Final = _object(
    "ModelServer", "modelserver.dev/v1alpha1", "web",
    spec={"model": {"source": {"bundled": {"path": "/models/breast-cancer"}}}},
)  # fmt: skip
_CONDITION: Final = {
    "type": "Ready", "status": "False", "reason": "Because", "message": "so",
    "observedGeneration": 1, "lastTransitionTime": "2026-01-02T03:04:05Z",
}  # fmt: skip

_MODEL_SERVERS: Final = (
    Step("a ModelServer", "POST", "modelservers", _MODEL_SERVER),
    Step("no replicas, no scale", "GET", "modelservers/web/scale"),
    _merged("a status", "modelservers/web/status", {"status": {"conditions": [_CONDITION]}}),
    _merged("a status of nothing new", "modelservers/web/status", {
        "status": {"conditions": [_CONDITION]}}),
    _merged("a status with the uid", "modelservers/web/status", {
        "metadata": {"uid": "$uid:modelservers/web"}, "status": {"url": "http://web"}}),
    _merged("a status with a wrong uid", "modelservers/web/status", {
        "metadata": {"uid": _STRANGE_UID}, "status": {"url": "http://other"}}),
    _merged("a status with a stale version", "modelservers/web/status", {
        "metadata": {"resourceVersion": "1"}, "status": {"url": "http://other"}}),
    _merged("a status with more than status", "modelservers/web/status", {
        "metadata": {"labels": {"a": "b"}}, "spec": {"replicas": 9}, "status": {"url": None}}),
    _merged("a spec with more than a spec", "modelservers/web", {
        "spec": {"replicas": 4}, "status": {"url": "http://other"}}),
    _merged("a spec with a wrong uid", "modelservers/web", {
        "metadata": {"uid": _STRANGE_UID}, "spec": {"replicas": 5}}),
    Step("the ModelServer's scale", "GET", "modelservers/web/scale"),
    Step("a label is no new generation", "PATCH", "modelservers/web", {
        "metadata": {"labels": {"a": "b"}}}, MERGE, {"fieldManager": "merger"}),
    Step("PUT without a version", "PUT", "modelservers/web", _MODEL_SERVER),
    Step("PUT of the status of nothing", "PUT", "modelservers/no/status", {
        **_MODEL_SERVER, "metadata": {"name": "no"}}),
    _merged("a status of nothing", "modelservers/no/status", {"status": {"url": "http://web"}}),
    Step("DELETE in the foreground", "DELETE", "modelservers/web", {
        "propagationPolicy": "Foreground"}),
)  # fmt: skip

CONVERSATION: Final = (*_DEPLOYMENTS, *_SMALL_CHILDREN, *_LEASES_AND_EVENTS, *_MODEL_SERVERS)


async def _record() -> None:
    namespace = f"conversation-{secrets.token_hex(3)}"
    await config.load_kube_config(os.environ["MODELSERVER_KUBECONFIG"])
    async with client.ApiClient() as api:
        core, version = client.CoreV1Api(api), await client.VersionApi(api).get_code()
        body = client.V1Namespace(metadata=client.V1ObjectMeta(name=namespace))
        await core.create_namespace(body)
        try:
            answers = await held(api, namespace)
        finally:
            await core.delete_namespace(namespace)
    lines = ",\n".join(json.dumps(answer, sort_keys=True) for answer in answers)
    print(f'{{"server": "{version.git_version}", "answers": [\n{lines}\n]}}')  # noqa: T201


if __name__ == "__main__":
    asyncio.run(_record())
