"""`modelserver manifest`: what to apply so that a cluster serves an artifact."""

import base64
import re
from typing import Annotated, Any, Final

import typer
import yaml

from modelserver_runtime.artifact import MANIFEST, Artifact
from modelserver_runtime.commands.fetch_options import config_map_key, with_fetch_options
from modelserver_runtime.commands.folder import Folder, opened
from modelserver_runtime.commands.source_option import WRITTEN, source_of
from modelserver_runtime.commands.terminal import printable
from modelserver_runtime.signature_check import SIGNATURE

MAX_CONFIG_MAP_BYTES: Final = 1024 * 1024
_KEY: Final = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_NAME: Final = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_WORD: Final = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9_.-]{0,61}[a-zA-Z0-9])?")


def manifest(  # noqa: PLR0913 - each is an option of its own
    folder: Folder,
    name: Annotated[
        str | None, typer.Option(help="Name of the ModelServer. Default: the artifact's.")
    ] = None,
    namespace: Annotated[
        str | None, typer.Option(help="Namespace. Default: that of whoever applies it.")
    ] = None,
    source: Annotated[
        str,
        typer.Option(
            help=f"Where pods get the artifact: {WRITTEN}. A ConfigMap, at most 1 MiB, is printed"
            " too; an ARCHIVE, or a KEY without a slash at its end, is a tar, tar.gz or zip file of"
            " the folder."
        ),
    ] = "configmap",
    credentials: Annotated[
        str | None,
        typer.Option(
            metavar="SECRET",
            help="Secret in the cluster that pods fetch with: the keys token, or username and"
            " password; for S3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        ),
    ] = None,
    ca: Annotated[
        str | None,
        typer.Option(
            metavar="CONFIGMAP/KEY",
            help="Authorities, in PEM, that pods trust when they fetch, instead of the usual ones.",
        ),
    ] = None,
    max_bytes: Annotated[
        int | None,
        typer.Option(
            help="Bytes that pods fetch at most, and that an archive unpacks to. Default: 1 GiB.",
            min=1024,
            max=64 * 1024**3,
        ),
    ] = None,
    timeout_seconds: Annotated[
        int | None,
        typer.Option(help="How long pods may take to fetch it. Default: 300.", min=1, max=86_400),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="Address of an S3 that is not AWS.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Region of the bucket. Default: us-east-1.")
    ] = None,
    path_style: Annotated[  # noqa: FBT002 - typer's way to declare a flag
        bool, typer.Option("--path-style", help="Name the bucket in the path, not in the host.")
    ] = False,
    signature_key: Annotated[
        str | None,
        typer.Option(
            metavar="CONFIGMAP/KEY",
            help="Public key, in PEM, of whoever must have signed the artifact.",
        ),
    ] = None,
    replicas: Annotated[
        int | None, typer.Option(help="Pods. Default: 2 at the start.", min=0, max=1000)
    ] = None,
) -> None:
    """
    Print a ModelServer that serves an artifact, its digest filled in.

    For a small model a ConfigMap with its files comes before it. Apply both with
    `modelserver manifest FOLDER | kubectl apply --server-side -f -`.
    """
    artifact = opened(folder)
    called = _checked_name(name or _as_name(artifact.manifest.name))
    metadata = {"name": called} | ({"namespace": namespace} if namespace else {})
    where = source_of(source, config_map=_config_map_name(called, artifact.manifest.version))
    where = with_fetch_options(
        where,
        {
            "--credentials": credentials,
            "--ca": ca,
            "--max-bytes": max_bytes,
            "--timeout-seconds": timeout_seconds,
            "--endpoint": endpoint,
            "--region": region,
            "--path-style": path_style or None,
        },
    )
    server = model_server(artifact, metadata, where, replicas)
    if signature_key is not None:
        key = config_map_key("--signature-key", signature_key)
        server["spec"]["model"]["signature"] = {"publicKey": {"configMap": key}}
    bodies = [server]
    if "configMap" in where:
        bodies.insert(0, config_map(artifact, metadata | where["configMap"]))
    typer.echo(as_yaml(bodies), nl=False)


def model_server(
    artifact: Artifact, metadata: dict[str, str], source: dict[str, Any], replicas: int | None
) -> dict[str, Any]:
    """The ModelServer."""
    # The digest pins both: what the resource cannot say is left out.
    words = {"name": artifact.manifest.name, "version": artifact.manifest.version}
    model: dict[str, Any] = {key: word for key, word in words.items() if _WORD.fullmatch(word)}
    model |= {"source": source, "digest": artifact.digest}
    formats = {file.format for file in artifact.manifest.files if file.format}
    if formats == {"joblib"}:  # nothing safer is there, and the digest is pinned
        model["formats"] = ["joblib"]
    return {
        "apiVersion": "modelserver.dev/v1alpha1",
        "kind": "ModelServer",
        "metadata": metadata,
        "spec": {"model": model} | ({} if replicas is None else {"replicas": replicas}),
    }


def config_map(artifact: Artifact, metadata: dict[str, str]) -> dict[str, Any]:
    """
    A ConfigMap with the artifact's files, verified.

    Immutable: a newer model gets another one, and with it a rollout.

    Raises:
        BadParameter: it does not fit into one.
    """
    files = artifact.manifest.files
    nested = [file.path for file in files if not _KEY.fullmatch(file.path)]
    if nested:
        raise typer.BadParameter(
            f"a ConfigMap has no folders, and the artifact has {printable(nested[0])}: use"
            " --source pvc:…"
        )
    content = {file.path: artifact.read(file) for file in files}
    for name in (MANIFEST, SIGNATURE):  # neither is in the manifest
        if (artifact.folder / name).exists():
            content[name] = (artifact.folder / name).read_bytes()
    size = sum(map(len, content.values()))
    if size > MAX_CONFIG_MAP_BYTES:
        raise typer.BadParameter(
            f"the artifact has {size:,} bytes, but a ConfigMap takes {MAX_CONFIG_MAP_BYTES:,}: put"
            " it on a volume and use --source pvc:CLAIM/FOLDER"
        )
    data = {path: base64.b64encode(body).decode() for path, body in sorted(content.items())}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "immutable": True,
        "binaryData": data,
    }


def as_yaml(bodies: list[dict[str, Any]]) -> str:
    """The objects as one file."""
    return yaml.safe_dump_all(
        bodies, sort_keys=False, explicit_start=True, allow_unicode=True, width=1_000_000
    )


def _as_name(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise typer.BadParameter(
            f"{name!r} cannot name a ModelServer, which takes up to 63 of a-z, 0-9 and '-',"
            " beginning with a letter: give another with --name"
        )
    return name


def _config_map_name(name: str, version: str) -> str:
    suffix = re.sub(r"[^a-z0-9.]+", "-", version.lower()).strip("-.")
    return f"{name}-{suffix}" if suffix else name
