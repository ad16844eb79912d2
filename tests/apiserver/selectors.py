"""Label and field selectors as query strings have them."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from apiserver.failures import Refused
from apiserver.resources import Resource

Selector = Callable[[Mapping[str, Any]], bool]

_SET_BASED: Final = re.compile(r"^\s*(\S+)\s+(in|notin)\s+\(([^)]*)\)\s*$")
_EQUALITY: Final = re.compile(r"^\s*([^\s=!]+)\s*(==|!=|=)\s*([^\s=!]*)\s*$")
_PRESENCE: Final = re.compile(r"^\s*(!?)\s*([^\s=!(),]+)\s*$")
_COMMA: Final = re.compile(r",(?![^(]*\))")


def by_labels(text: str) -> Selector:
    """Parse a label selector; raises `Refused` (400) where it makes no sense."""
    terms = [_label_term(term) for term in _COMMA.split(text) if term.strip()]
    return lambda body: all(term(body["metadata"].get("labels") or {}) for term in terms)


def _label_term(text: str) -> Callable[[Mapping[str, str]], bool]:
    if match := _SET_BASED.match(text):
        key, operator, listed = match.groups()
        values = {value.strip() for value in listed.split(",")}
        if operator == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if match := _EQUALITY.match(text):
        key, operator, value = match.groups()
        if operator == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if match := _PRESENCE.match(text):
        absent, key = match.groups()
        return lambda labels: (key in labels) is not bool(absent)
    raise Refused(400, f"unable to parse requirement: {text}")


def by_fields(resource: Resource, text: str) -> Selector:
    """Parse a field selector; raises `Refused` (400) for a field the kind does not offer."""
    terms = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _EQUALITY.match(part)
        if match is None:
            raise Refused(400, f"invalid field selector: {part}")
        path, operator, value = match.groups()
        if path not in ("metadata.name", "metadata.namespace", *resource.fields):
            raise Refused(400, f"field label not supported: {path}")
        terms.append((path.split("."), operator != "!=", value))
    return lambda body: all((_field(body, path) == value) is want for path, want, value in terms)


def _field(body: Mapping[str, Any], path: list[str]) -> str:
    value: Any = body
    for name in path:
        value = value.get(name, "") if isinstance(value, Mapping) else ""
    return str(value)
