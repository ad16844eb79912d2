"""One pod: the runtime in it, what it may do, and how long it gets to start and to end."""

import copy
import math
from typing import Any, Final

from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.children import configmap
from modelserver_operator.children.fetch import fetch_containers, fetch_files
from modelserver_operator.children.modelvolume import model_mounts, model_volumes
from modelserver_operator.children.mountedfiles import mounted_files
from modelserver_operator.children.resources import effective_resources
from modelserver_operator.children.restricted import container_security

PORT: Final = 8000
CONTAINER: Final = "runtime"
USER: Final = 10001
PRE_STOP_SECONDS: Final = 5
STARTUP_PERIOD_SECONDS: Final = 2


def pod_template(server: ModelServer, image: str) -> dict[str, Any]:
    """Build the pod template: a function of the spec and the image, nothing else."""
    given = server.spec.pod_metadata
    metadata: dict[str, Any] = {"labels": {**given.labels, **labels.pod_labels(server)}}
    if given.annotations:
        metadata["annotations"] = dict(given.annotations)
    return {
        "metadata": metadata,
        "spec": {
            "serviceAccountName": server.name,
            "automountServiceAccountToken": False,
            # A Service called "api" would otherwise set API_PORT=tcp://… in every pod.
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": grace_seconds(server),
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            **_init_containers(server, image),
            "containers": [_runtime(server, image)],
            "volumes": _volumes(server),
            **_pull_secrets(server),
            **_scheduling(server),
        },
    }


def grace_seconds(server: ModelServer) -> int:
    """
    Add up what a pod may need between SIGTERM's announcement and its end.

    The kubelet counts preStop too: 5 s until every node has taken the pod out of its Service, the
    drain in which late connections are still answered, the longest request, and 5 s to exit.
    """
    settings = server.spec.server
    return PRE_STOP_SECONDS + settings.drain_seconds + settings.request_timeout_seconds + 5


def _runtime(server: ModelServer, image: str) -> dict[str, Any]:
    # Rounded up: a 7 s budget at a 2 s period is four probes, not three.
    attempts = math.ceil(server.spec.server.load_timeout_seconds / STARTUP_PERIOD_SECONDS)
    ports = _ports(server)
    # The runtime answers probes where it answers for its metrics.
    probed = {"port": ports[-1]["name"], "scheme": server.spec.server.scheme.upper()}
    return {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": server.spec.image_pull_policy,
        "ports": ports,
        "envFrom": [{"configMapRef": {"name": configmap.config_map_name(server)}}],
        "resources": effective_resources(server),
        "startupProbe": _probe(
            "/ready", probed, period=STARTUP_PERIOD_SECONDS, failures=attempts, timeout=2
        ),
        "readinessProbe": _probe("/ready", probed, period=5, failures=2, timeout=3),
        "livenessProbe": _probe("/health", probed, period=10, failures=6, timeout=5),
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
        "terminationMessagePath": configmap.TERMINATION_LOG,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": container_security(),
        "volumeMounts": _mounts(server),
    }


def _ports(server: ModelServer) -> list[dict[str, Any]]:
    ports = [{"name": "http", "containerPort": PORT, "protocol": "TCP"}]
    metrics_port = server.spec.server.metrics_port
    if metrics_port is not None:
        ports.append({"name": "metrics", "containerPort": metrics_port, "protocol": "TCP"})
    return ports


def _probe(
    path: str, probed: dict[str, str], *, period: int, failures: int, timeout: int
) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, **probed},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    }


def _scheduling(server: ModelServer) -> dict[str, Any]:
    wanted = server.spec.scheduling
    fields = {
        "nodeSelector": dict(wanted.node_selector),
        "tolerations": copy.deepcopy(list(wanted.tolerations)),
        "affinity": _affinity(server),
        "topologySpreadConstraints": _spread(server),
        "priorityClassName": wanted.priority_class_name,
        "runtimeClassName": wanted.runtime_class_name,
    }
    return {name: value for name, value in fields.items() if value}


def _spread(server: ModelServer) -> list[dict[str, Any]]:
    """
    Spread the pods as the user says, or each version's over the nodes where possible.

    A constraint without a selector would count no pods and so spread nothing: ours is meant.
    """
    given = server.spec.scheduling.topology_spread_constraints
    if given is not None:
        return [
            {"labelSelector": _pods_of(server), **copy.deepcopy(constraint)} for constraint in given
        ]
    return [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            **_pods_of_one_version(server),
        }
    ]


def _affinity(server: ModelServer) -> dict[str, Any]:
    """
    Keep each version's pods in different zones where possible, unless the user spreads them.

    Not by a second constraint: the scheduler spreads over nodes only that have the labels of all
    constraints, so that one over zones would end all spreading in a cluster without zones.
    """
    given = copy.deepcopy(server.spec.scheduling.affinity) or {}
    if server.spec.scheduling.topology_spread_constraints is not None:
        return given
    term = {"topologyKey": "topology.kubernetes.io/zone", **_pods_of_one_version(server)}
    preferred = [{"weight": 100, "podAffinityTerm": term}]
    return {
        "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred},
        **given,
    }


def _pods_of_one_version(server: ModelServer) -> dict[str, Any]:
    return {"labelSelector": _pods_of(server), "matchLabelKeys": ["pod-template-hash"]}


def _pods_of(server: ModelServer) -> dict[str, Any]:
    return {"matchLabels": {labels.NAME: server.name}}


def _volumes(server: ModelServer) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}]
    files = [*mounted_files(server), *fetch_files(server)]
    return volumes + model_volumes(server) + [each.as_volume() for each in files]


def _mounts(server: ModelServer) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - in the pod
    return mounts + model_mounts(server) + [files.as_mount() for files in mounted_files(server)]


def _init_containers(server: ModelServer, image: str) -> dict[str, Any]:
    containers = fetch_containers(server, image)
    return {"initContainers": containers} if containers else {}


def _pull_secrets(server: ModelServer) -> dict[str, Any]:
    secrets = server.spec.image_pull_secrets
    return {"imagePullSecrets": [{"name": secret.name} for secret in secrets]} if secrets else {}
