"""The pods that answer, and how they are replaced without losing a request."""

import math
from typing import Any, Final

from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.children import configmap
from modelserver_operator.children.resources import effective_resources

DEFAULT_REPLICAS: Final = 2
PORT: Final = 8000
CONTAINER: Final = "runtime"
USER: Final = 10001
PRE_STOP_SECONDS: Final = 5
STARTUP_PERIOD_SECONDS: Final = 2


def desired_deployment(server: ModelServer, *, runtime_image: str) -> dict[str, Any]:
    """
    Build the Deployment *server* should have.

    Pure: nothing is read from the cluster, the clock or the environment. `spec.replicas` is left
    out where the count belongs to somebody else, see `replicas.py`.
    """
    metadata = labels.child_metadata(server, server.name)
    metadata["annotations"] = {labels.RESOLVED_IMAGE: runtime_image}
    deployment: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "selector": {"matchLabels": labels.selector(server.name)},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0},
            },
            "minReadySeconds": 10,
            "progressDeadlineSeconds": 600,
            "revisionHistoryLimit": 10,
            "template": pod_template(server, runtime_image=runtime_image),
        },
    }
    if server.spec.suspend:
        deployment["spec"]["replicas"] = 0
        metadata["annotations"][labels.SUSPENDED] = "true"
    elif server.spec.replicas is not None:
        deployment["spec"]["replicas"] = server.spec.replicas
    return deployment


def pod_template(server: ModelServer, *, runtime_image: str) -> dict[str, Any]:
    """Build the pod template: a function of the spec and the operator's defaults, nothing else."""
    return {
        "metadata": {"labels": labels.pod_labels(server)},
        "spec": {
            "serviceAccountName": server.name,
            "automountServiceAccountToken": False,
            # A Service called "api" would otherwise set API_PORT=tcp://… in every pod.
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": grace_seconds(),
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "topologySpreadConstraints": _spread(server),
            "containers": [_runtime(server, runtime_image)],
            "volumes": _volumes(server),
            **_pull_secrets(server),
        },
    }


def grace_seconds() -> int:
    """
    Add up what a pod may need between SIGTERM's announcement and its end.

    The kubelet counts preStop too: 5 s until every node has taken the pod out of its Service, the
    drain in which late connections are still answered, the longest request, and 5 s to exit.
    """
    return PRE_STOP_SECONDS + configmap.DRAIN_SECONDS + configmap.REQUEST_TIMEOUT_SECONDS + 5


def _runtime(server: ModelServer, image: str) -> dict[str, Any]:
    # Rounded up: a 7 s budget at a 2 s period is four probes, not three.
    start_attempts = math.ceil(configmap.LOAD_TIMEOUT_SECONDS / STARTUP_PERIOD_SECONDS)
    return {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": server.spec.image_pull_policy,
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "envFrom": [{"configMapRef": {"name": configmap.config_map_name(server)}}],
        "resources": effective_resources(server),
        "startupProbe": _probe("/ready", period=STARTUP_PERIOD_SECONDS, failures=start_attempts),
        "readinessProbe": _probe("/ready", period=5, timeout=3, failures=2),
        "livenessProbe": _probe("/health", period=10, timeout=5, failures=6),
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
        "terminationMessagePath": configmap.TERMINATION_LOG,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": _mounts(server),
    }


def _probe(path: str, *, period: int, failures: int, timeout: int = 2) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "http", "scheme": "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    }


def _spread(server: ModelServer) -> list[dict[str, Any]]:
    """Spread each version's pods over nodes and zones where that is possible."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": topology,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {labels.NAME: server.name}},
            "matchLabelKeys": ["pod-template-hash"],
        }
        for topology in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]


def _volumes(server: ModelServer) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}]
    source = server.spec.model.source
    if source.config_map is not None:
        volumes.append({"name": "model", "configMap": {"name": source.config_map.name}})
    return volumes


def _mounts(server: ModelServer) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - in the pod
    if server.spec.model.source.bundled is None:
        mounts.append({"name": "model", "mountPath": configmap.MODEL_MOUNT, "readOnly": True})
    return mounts


def _pull_secrets(server: ModelServer) -> dict[str, Any]:
    secrets = server.spec.image_pull_secrets
    return {"imagePullSecrets": [{"name": secret.name} for secret in secrets]} if secrets else {}
