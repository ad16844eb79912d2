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
from modelserver_operator.children.modelvolume import model_path
from modelserver_operator.children.mountedfiles import mounted_files
from modelserver_operator.children.resources import effective_resources
from modelserver_operator.children.surroundings import Surroundings

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
    return environment | _access(server) | _thread_pools(server)


def _access(server: ModelServer) -> dict[str, str]:
    """Who may ask, how, and who must have signed; what is mounted is named by its files."""
    environment: dict[str, str] = {}
    for files in mounted_files(server):
        environment |= files.environment()
    cors, rate_limit = server.spec.server.cors, server.spec.server.rate_limit
    if cors is not None:
        environment["MODELSERVER_CORS_ORIGINS"] = ",".join(cors.allow_origins)
    if rate_limit is not None:
        per_minute = str(rate_limit.requests_per_minute)
        environment["MODELSERVER_RATE_LIMIT_PER_MINUTE"] = per_minute
        if rate_limit.trusted_proxies:
            environment["MODELSERVER_TRUSTED_PROXIES"] = ",".join(rate_limit.trusted_proxies)
    return environment


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
