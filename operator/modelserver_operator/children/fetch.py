"""The init container that fetches a model over the network, by a command of the runtime's image."""

from typing import Any

from modelserver_operator import labels
from modelserver_operator.api import ModelServer
from modelserver_operator.api.source import HttpSource, S3Source
from modelserver_operator.children.configmap import TERMINATION_LOG
from modelserver_operator.children.modelvolume import FETCHED, MODEL_MOUNT
from modelserver_operator.children.mountedfiles import MountedFiles, of_config_map
from modelserver_operator.children.resources import effective_resources
from modelserver_operator.children.restricted import container_security

_AUTHORITIES = "ca.pem"


def fetch_containers(server: ModelServer, image: str) -> list[dict[str, Any]]:
    """
    Build the container that runs before the runtime; none where nothing is fetched.

    It has the runtime's resources: a pod asks for the larger of both, so this costs nothing.
    """
    source = server.spec.model.source.fetched
    if source is None:
        return []
    return [
        {
            "name": labels.FETCH_CONTAINER,
            "image": image,
            "imagePullPolicy": server.spec.image_pull_policy,
            "command": ["modelserver", "fetch"],
            "args": [_literal(argument) for argument in _arguments(server, source)],
            "env": _environment(source),
            "resources": effective_resources(server),
            "terminationMessagePath": TERMINATION_LOG,
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "securityContext": container_security(),
            "volumeMounts": [
                {"name": "model", "mountPath": MODEL_MOUNT},
                *(files.as_mount() for files in fetch_files(server)),
            ],
        }
    ]


def fetch_files(server: ModelServer) -> list[MountedFiles]:
    """List what a fetch has out of Secrets and ConfigMaps; the runtime does not see it."""
    source = server.spec.model.source.fetched
    found = []
    if source is not None and source.ca_bundle is not None:
        found.append(of_config_map("source-ca", source.ca_bundle.config_map, _AUTHORITIES))
    if source is not None and source.credentials_secret is not None:
        # All keys: which of them there are says which kind of credentials it is.
        secret = source.credentials_secret.name
        found.append(MountedFiles("source-credentials", "secret", secret))
    return found


def _arguments(server: ModelServer, source: HttpSource | S3Source) -> list[str]:
    address = source.url if isinstance(source, HttpSource) else f"s3://{source.bucket}/{source.key}"
    options = {
        "digest": server.spec.model.digest,
        "max-bytes": str(source.max_bytes),
        "timeout-seconds": str(source.timeout_seconds),
    }
    for files in fetch_files(server):
        if files.kind == "secret":
            options["credentials"] = files.folder
        else:
            options["ca-file"] = f"{files.folder}/{_AUTHORITIES}"
    if isinstance(source, S3Source):
        options |= {"endpoint": source.endpoint, "region": source.region}
    given = [f"--{name}={value}" for name, value in options.items() if value is not None]
    if isinstance(source, S3Source) and source.path_style:
        given.append("--path-style")
    if server.spec.model.signature is not None:
        given.append("--signed")
    return [address, FETCHED, *given]


def _literal(argument: str) -> str:
    """Keep the kubelet from putting the value of a variable in the place of $(NAME)."""
    return argument.replace("$", "$$")


def _environment(source: HttpSource | S3Source) -> list[dict[str, str]]:
    variables = {"MODELSERVER_TERMINATION_LOG": TERMINATION_LOG}
    if isinstance(source, S3Source):
        # What the node may do is not what the pod may.
        variables["AWS_EC2_METADATA_DISABLED"] = "true"
    return [{"name": name, "value": value} for name, value in variables.items()]
