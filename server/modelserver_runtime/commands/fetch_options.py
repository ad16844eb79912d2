"""Options of `modelserver manifest` that say how pods get at a source they fetch."""

import re
from collections.abc import Mapping
from typing import Any, Final

import typer

_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_OBJECT: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_KEY: Final = re.compile(r"[-._a-zA-Z0-9]*[-_a-zA-Z0-9][-._a-zA-Z0-9]*")
_ENDPOINT: Final = re.compile(r"https?://[a-zA-Z0-9.:\[\]-]+/?")
_REGION: Final = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,62}[a-zA-Z0-9])?")

_FETCHED: Final = ("http", "s3")
_OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "--credentials": _FETCHED,
    "--ca": _FETCHED,
    "--endpoint": ("s3",),
    "--region": ("s3",),
    "--path-style": ("s3",),
}
"""The kinds of source that each option is about."""


def with_fetch_options(  # noqa: PLR0913 - each is an option of its own
    source: Mapping[str, Mapping[str, Any]],
    *,
    credentials: str | None,
    ca: str | None,
    endpoint: str | None,
    region: str | None,
    path_style: bool,
) -> dict[str, Any]:
    """
    Build *source*, with what the options add to it.

    Raises:
        BadParameter: an option is about another kind of source, or its value is none.
    """
    ((kind, fields),) = source.items()
    added: dict[str, Mapping[str, Any]] = {}
    if credentials is not None:
        name = _checked("--credentials", credentials, _OBJECT, "the name of a Secret")
        added["--credentials"] = {"credentialsSecret": {"name": name}}
    if ca is not None:
        added["--ca"] = {"caBundle": {"configMap": config_map_key("--ca", ca)}}
    if endpoint is not None:
        wanted = "an address without a path, such as https://minio.example.com:9000"
        added["--endpoint"] = {"endpoint": _checked("--endpoint", endpoint, _ENDPOINT, wanted)}
    if region is not None:
        wanted = "a region such as eu-central-1"
        added["--region"] = {"region": _checked("--region", region, _REGION, wanted)}
    if path_style:
        added["--path-style"] = {"pathStyle": True}
    built = dict(fields)
    for option, more in added.items():
        _require_about(option, kind)
        built |= more
    return {kind: built}


def config_map_key(option: str, text: str) -> dict[str, str]:
    """
    What CONFIGMAP/KEY means in a ModelServer.

    Raises:
        BadParameter: *text* is none.
    """
    name, _, key = text.partition("/")
    if not (_OBJECT.fullmatch(name) and _KEY.fullmatch(key)):
        raise typer.BadParameter(f"{option} {text!r} names no file: write CONFIGMAP/KEY")
    return {"name": name, "key": key}


def _checked(option: str, text: str, allowed: re.Pattern[str], wanted: str) -> str:
    if not allowed.fullmatch(text):
        raise typer.BadParameter(f"{option} {text!r} does not fit: write {wanted}")
    return text


def _require_about(option: str, kind: str) -> None:
    if kind not in _OPTIONS[option]:
        sources = {"http": "https://HOST/ARCHIVE", "s3": "s3://BUCKET/KEY"}
        written = " or ".join(sources[each] for each in _OPTIONS[option])
        raise typer.BadParameter(f"{option} is about a --source {written}, and this is another")
