"""Builders of what the operator sees: only what a test is about is said."""

from typing import Any

from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.children import desired_children
from modelserver_operator.children.surroundings import Surroundings
from modelserver_operator.errors import ChildRefused

SURROUNDINGS = Surroundings("localhost/runtime:1", "monitoring", monitoring_served=True)
"""What an operator knows that finds all it can make use of."""

SPECS: dict[str, dict[str, Any]] = {
    "minimal": {},
    "fuller": {
        "model": {
            "name": "tumours",
            "version": "1.0.0",
            "digest": "sha256:" + "0" * 64,
            "formats": ["onnx"],
            "source": {"persistentVolumeClaim": {"claimName": "models", "path": "tumours/1"}},
        },
        "image": "localhost/runtime:2",
        "imagePullPolicy": "Always",
        "imagePullSecrets": [{"name": "registry"}],
        "autoscaling": {
            "minReplicas": 3,
            "maxReplicas": 9,
            "targetCPUUtilizationPercentage": 60,
            "metrics": [
                {
                    "type": "Pods",
                    "pods": {
                        "metric": {"name": "predictions"},
                        "target": {"type": "AverageValue", "averageValue": "1k"},
                    },
                },
            ],
            "behavior": {
                "scaleDown": {
                    "stabilizationWindowSeconds": 0,
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                },
            },
        },
        "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "1500m", "memory": "1Gi"}},
        "server": {
            "logLevel": "DEBUG",
            "maxBatchRows": 100,
            "maxBodyBytes": 1048576,
            "maxConcurrency": 64,
            "requestTimeoutSeconds": 7,
            "loadTimeoutSeconds": 61,
            "drainSeconds": 3,
            "metricsPort": 9090,
        },
        "service": {
            "type": "LoadBalancer",
            "port": 8080,
            "nodePort": 30080,
            "annotations": {"cloud.example.com/internal": "true"},
        },
        "serviceAccount": {"annotations": {"cloud.example.com/role": "reader"}},
        "disruptionBudget": {"minAvailable": "60%"},
        "networkPolicy": {
            "from": [{"podSelector": {"matchLabels": {"app": "shop"}}}],
            "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
        },
        "monitoring": {"policy": "Always", "interval": "1m", "labels": {"release": "prometheus"}},
        "rollout": {"maxSurge": 1, "minReadySeconds": 5, "progressDeadlineSeconds": 60},
        "scheduling": {
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "models", "operator": "Exists", "effect": "NoSchedule"}],
            "affinity": {
                "podAntiAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {
                            "weight": 1,
                            "podAffinityTerm": {
                                "labelSelector": {"matchLabels": {"app": "noisy"}},
                                "topologyKey": "kubernetes.io/hostname",
                            },
                        },
                    ],
                },
            },
            "topologySpreadConstraints": [
                {
                    "maxSkew": 2,
                    "topologyKey": "kubernetes.io/hostname",
                    "whenUnsatisfiable": "DoNotSchedule",
                },
            ],
            "priorityClassName": "serving",
            "runtimeClassName": "sandboxed",
        },
        "podMetadata": {
            "labels": {"team": "blue"},
            "annotations": {"mesh.example.com/inject": "true"},
        },
    },
}
"""Specs of ModelServers: one that says as little as it may, one that says all there is to say."""


def server(
    *, name: str = "web", uid: str = "u1", generation: int = 1, **spec: Any
) -> dict[str, Any]:
    """Build a ModelServer as the API server returns it."""
    model = {"source": {"bundled": {"path": "/models/breast-cancer"}}}
    return {
        "apiVersion": "modelserver.dev/v1alpha1",
        "kind": "ModelServer",
        "metadata": {
            "name": name,
            "namespace": "team",
            "uid": uid,
            "generation": generation,
            "resourceVersion": "1",
        },
        "spec": {"model": model, **spec},
    }


def parsed(**server_: Any) -> ModelServer:
    """Build a parsed ModelServer."""
    return ModelServer.parse(server(**server_))


def children(surroundings: Surroundings = SURROUNDINGS, **spec: Any) -> dict[str, dict[str, Any]]:
    """Build every child that can exist, by kind."""
    desired = desired_children(parsed(**spec), surroundings)
    return {body["kind"]: body for _, body in desired if not isinstance(body, ChildRefused)}


def owner(uid: str, kind: str = "ModelServer", name: str = "web") -> dict[str, Any]:
    """Build the reference of a controller."""
    return {"kind": kind, "name": name, "uid": uid, "controller": True, "apiVersion": "x/v1"}


def deployment(  # noqa: PLR0913 - each is a fact of its own
    *,
    replicas: int = 2,
    updated: int = 2,
    available: int = 2,
    total: int | None = None,
    observed: int = 1,
    progressing: str = "NewReplicaSetAvailable",
    refused: str = "",
) -> dict[str, Any]:
    """Build a live Deployment of generation 1, complete unless said otherwise."""
    conditions = [{"type": "Progressing", "status": "True", "reason": progressing}]
    if refused:
        conditions.append({"type": "ReplicaFailure", "status": "True", "message": refused})
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "team", "uid": "d1", "generation": 1},
        "spec": {"replicas": replicas},
        "status": {
            "observedGeneration": observed,
            "replicas": updated if total is None else total,
            "updatedReplicas": updated,
            "readyReplicas": available,
            "availableReplicas": available,
            "conditions": conditions,
        },
    }


def replica_set(uid: str = "r2", revision: int = 2) -> dict[str, Any]:
    """Build a ReplicaSet of that Deployment."""
    annotations = {"deployment.kubernetes.io/revision": str(revision)}
    references = [owner("d1", "Deployment")]
    return {"metadata": {"uid": uid, "annotations": annotations, "ownerReferences": references}}


def pod(replica_set_uid: str = "r2", *, ready: bool = False, **container: Any) -> dict[str, Any]:
    """Build a pod with one container called runtime, whose states are *container*."""
    return {
        "metadata": {
            "uid": f"p-{replica_set_uid}",
            "labels": {labels.NAME: "web"},
            "ownerReferences": [owner(replica_set_uid, "ReplicaSet")],
        },
        "status": {
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [{"name": "runtime", "image": "localhost/x:1", **container}],
        },
    }


def ended(message: str, *, code: int = 1, reason: str = "Error") -> dict[str, Any]:
    """Build the state of a container that has ended."""
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def merged(old: Any, patch: Any) -> Any:
    """Merge as the API server does a merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    base = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        base[name] = merged(base.get(name), value)
    return {name: value for name, value in base.items() if value is not None}
