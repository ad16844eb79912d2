"""Options of `modelserver manifest` that say how pods get at a source they fetch."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import typer

_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_OBJECT: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_KEY: Final = re.compile(r"[-._a-zA-Z0-9]*[-_a-zA-Z0-9][-._a-zA-Z0-9]*")
_ENDPOINT: Final = re.compile(r"https?://[a-zA-Z0-9.:\[\]-]+/?")
_REGION: Final = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,62}[a-zA-Z0-9])?")


def with_fetch_options(
    source: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any]
) -> dict[str, Any]:
    """
    Build *source*, with what the options add to it.

    Args:
        source: `spec.model.source`.
        given: the options' values, by option; None where one is not given.

    Raises:
        BadParameter: an option is about another kind of source, or its value is none.
    """
    ((kind, fields),) = source.items()
    built = dict(fields)
    for name, value in given.items():
        if value is not None:
            _require_about(name, kind)
            option = _OPTIONS[name]
            built[option.field] = option.value(name, value)
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


def _authorities(option: str, text: str) -> dict[str, Any]:
    return {"configMap": config_map_key(option, text)}


def _secret(option: str, text: str) -> dict[str, str]:
    return {"name": _matching(_OBJECT, "the name of a Secret")(option, text)}


def _matching(allowed: re.Pattern[str], wanted: str) -> Callable[[str, str], str]:
    def checked(option: str, text: str) -> str:
        if not allowed.fullmatch(text):
            raise typer.BadParameter(f"{option} {text!r} does not fit: write {wanted}")
        return text

    return checked


def _as_given(_: str, value: Any) -> Any:
    return value


class _Option(NamedTuple):
    """
    What an option means.

    Args:
        field: of the source.
        kinds: of source that have this field.
        value: makes that of the field, from the option and its own.
    """

    field: str
    kinds: tuple[str, ...]
    value: Callable[[str, Any], Any]


_FETCHED: Final = ("http", "s3")
_ADDRESS: Final = "an address without a path, such as https://minio.example.com:9000"
_OPTIONS: Final[Mapping[str, _Option]] = {
    "--credentials": _Option("credentialsSecret", _FETCHED, _secret),
    "--ca": _Option("caBundle", _FETCHED, _authorities),
    "--max-bytes": _Option("maxBytes", _FETCHED, _as_given),
    "--timeout-seconds": _Option("timeoutSeconds", _FETCHED, _as_given),
    "--endpoint": _Option("endpoint", ("s3",), _matching(_ENDPOINT, _ADDRESS)),
    "--region": _Option("region", ("s3",), _matching(_REGION, "a region such as eu-central-1")),
    "--path-style": _Option("pathStyle", ("s3",), _as_given),
}


def _require_about(option: str, kind: str) -> None:
    kinds = _OPTIONS[option].kinds
    if kind not in kinds:
        sources = {"http": "https://HOST/ARCHIVE", "s3": "s3://BUCKET/KEY"}
        written = " or ".join(sources[each] for each in kinds)
        raise typer.BadParameter(f"{option} is about a --source {written}, and this is another")
