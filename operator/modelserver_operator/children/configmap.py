"""
The runtime's settings: immutable, and named after their content.

A changed setting is a new object, so a rollout takes it up pod by pod, and its rollback finds the
old one unchanged.
"""

import hashlib
import json
import math
from typing import Any, Final

from kubernetes.utils.quantity import parse_quantity

from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.children.resources import effective_resources
from modelserver_operator.children.surroundings import Surroundings

MODEL_MOUNT: Final = "/model"
"""Where a model that is not part of the image is mounted."""

TERMINATION_LOG: Final = "/dev/termination-log"


def desired_config_map(server: ModelServer, _: Surroundings) -> dict[str, Any]:
    """Build the ConfigMap *server* should have."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": labels.child_metadata(server, config_map_name(server)),
        "immutable": True,
        "data": runtime_environment(server),
    }


def config_map_name(server: ModelServer) -> str:
    """Name the settings after a hash of what they say."""
    text = json.dumps(runtime_environment(server), sort_keys=True)
    return f"{server.name}-settings-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def runtime_environment(server: ModelServer) -> dict[str, str]:
    """Tell the runtime what to serve and how; every name is a setting that it knows."""
    model, settings = server.spec.model, server.spec.server
    environment = {
        "MODELSERVER_MODEL_NAME": model.name or server.name,
        "MODELSERVER_MODEL_PATH": model_path(server),
        "MODELSERVER_MODEL_FORMATS": ",".join(model.formats),
        "MODELSERVER_ON_LOAD_FAILURE": "exit",
        "MODELSERVER_TERMINATION_LOG": TERMINATION_LOG,
        "MODELSERVER_LOG_LEVEL": settings.log_level,
        "MODELSERVER_MAX_BATCH_ROWS": str(settings.max_batch_rows),
        "MODELSERVER_MAX_BODY_BYTES": str(settings.max_body_bytes),
        "MODELSERVER_MAX_CONCURRENCY": str(settings.max_concurrency),
        "MODELSERVER_REQUEST_TIMEOUT_SECONDS": str(settings.request_timeout_seconds),
        "MODELSERVER_LOAD_TIMEOUT_SECONDS": str(settings.load_timeout_seconds),
        "MODELSERVER_DRAIN_SECONDS": str(settings.drain_seconds),
    }
    if settings.metrics_port is not None:
        environment["MODELSERVER_METRICS_PORT"] = str(settings.metrics_port)
    if model.version:
        environment["MODELSERVER_MODEL_VERSION"] = model.version
    if model.digest:
        environment["MODELSERVER_MODEL_DIGEST"] = model.digest
    return environment | _thread_pools(server)


def model_path(server: ModelServer) -> str:
    """Where the runtime finds the artifact."""
    source = server.spec.model.source
    if source.bundled is not None:
        return source.bundled.path
    claim = source.persistent_volume_claim
    if claim is not None and claim.path:
        return f"{MODEL_MOUNT}/{claim.path}"
    return MODEL_MOUNT


def _thread_pools(server: ModelServer) -> dict[str, str]:
    """
    Pin the numeric libraries to the CPU limit.

    They count the node's cores otherwise, and throttle themselves against the limit.
    """
    cpu = effective_resources(server).get("limits", {}).get("cpu")
    if cpu is None:
        return {}
    threads = str(max(1, math.ceil(parse_quantity(cpu))))
    return {f"{name}_NUM_THREADS": threads for name in ("OMP", "OPENBLAS", "MKL")}
