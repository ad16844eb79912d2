"""
Parts of Kubernetes' own types inside the resource, typed to the leaves and passed on as written.

Their schemas come from the models of the `kubernetes` package. These say neither how large a thing
may be nor what the words of an enum are nor what goes together, so each use adds that.
"""

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kubernetes.aio import client
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from modelserver_operator.api.quantity import IS_POSITIVE, IS_QUANTITY, canonical
from modelserver_operator.api.wire import RULES, Rule

Node = dict[str, Any]
"""A JSON schema without references; below RULES it has `Rule` objects."""

# A label's or resource's name is the longest text: a prefix of 253, a slash and 63.
_TEXT: Final[Node] = {"maxLength": 317}
_LIST: Final[Node] = {"maxItems": 16, "x-kubernetes-list-type": "atomic"}
_MAP: Final[Node] = {"maxProperties": 32}
_QUANTITY: Final = "quantity"

QUANTITY: Final[Node] = {
    "x-kubernetes-int-or-string": True,
    "maxLength": 32,
    RULES: [IS_QUANTITY],
    _QUANTITY: True,
}
POSITIVE_QUANTITY: Final[Node] = {**QUANTITY, RULES: [IS_POSITIVE]}

_KEY_WITH_VALUES: Final = Rule(
    cel="self.operator in ['In', 'NotIn'] == (has(self.values) && size(self.values) > 0)",
    holds=lambda self: (self["operator"] in ("In", "NotIn")) == bool(self.get("values")),
    message="In and NotIn need values to compare with, Exists and DoesNotExist take none",
    field="values",
)
WHOLE: Final[Node] = {"x-kubernetes-map-type": "atomic"}
"""Who changes a part changes the whole: two people's labels make no selector."""

LABEL_SELECTOR: Final[Mapping[str, Node]] = {
    "V1LabelSelector": WHOLE,
    "V1LabelSelectorRequirement": {RULES: [_KEY_WITH_VALUES]},
    "V1LabelSelectorRequirement.operator": {"enum": ["In", "NotIn", "Exists", "DoesNotExist"]},
    "V1LabelSelectorRequirement.values": {"maxItems": 64},
}


@dataclass(frozen=True)
class CoreType:
    """
    A type of Kubernetes, as an annotation of the plain dict that holds a value of it.

    Args:
        name: the model in the `kubernetes` package, such as `V1Toleration`.
        url: where Kubernetes' own reference explains it.
        limits: what is added to a type (`V1Toleration`) or a field (`V1Toleration.effect`), in it
            or below it.
    """

    name: str
    url: str
    limits: Mapping[str, Node] = field(default_factory=dict)

    def __hash__(self) -> int:
        # A union hashes what it is made of, and a mapping has no hash.
        return hash(self.name)

    @functools.cached_property
    def node(self) -> Node:
        """The schema, references put in place and limits added."""
        whole = getattr(client, self.name).model_json_schema()
        documentation = {"description": self.name[2:], "url": self.url}
        return {
            **self._type(self.name, whole, whole.get("$defs", {})),
            "externalDocs": documentation,
        }

    def read(self, value: Any) -> Any:
        """
        Return *value* as the API server will write it in a child.

        That is with canonical quantities and without empty texts, lists and maps. What this version
        does not know is kept.
        """
        return _read(value, self.node, "")

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> Node:
        return _published(self.node)

    def _type(self, name: str, model: Node, definitions: Node) -> Node:
        properties = {
            key: {**self._value(below, definitions, f"{name}.{key}"), **_described(below)}
            for key, below in model["properties"].items()
        }
        required = {"required": model["required"]} if "required" in model else {}
        return {
            **_described(model),
            "type": "object",
            **required,
            "properties": properties,
            **self.limits.get(name, {}),
        }

    def _value(self, node: Node, definitions: Node, path: str) -> Node:
        (node, *others) = [b for b in node.get("anyOf", [node]) if b != {"type": "null"}]
        limits = self.limits.get(path, {})
        if "$ref" in node:
            name = node["$ref"].removeprefix("#/$defs/")
            return {**self._type(name, definitions[name], definitions), **limits}
        if others or "x-kubernetes-int-or-string" in limits:
            return {"x-kubernetes-int-or-string": True, **limits}
        if node["type"] == "array":
            items = self._value(node["items"], definitions, f"{path}[]")
            return {"type": "array", **_LIST, **limits, "items": items}
        if "additionalProperties" in node:
            values = self._value(node["additionalProperties"], definitions, f"{path}{{}}")
            return {"type": "object", **_MAP, **limits, "additionalProperties": values}
        text = _TEXT if node["type"] == "string" and "enum" not in limits else {}
        return {"type": node["type"], **text, **limits}


def _described(node: Node) -> Node:
    """Take the first sentence of the description; the link of the whole type leads to the rest."""
    text = " ".join(node.get("description", "").partition("\n\nAttributes:")[0].split())
    return {"description": re.split(r"(?<=\.)(?<!e\.g\.) (?=[A-Z])", text)[0]} if text else {}


def _published(node: Node) -> Node:
    """Say the rules to the API server, and nothing that only this module understands."""
    shown = {key: value for key, value in node.items() if key != _QUANTITY}
    if RULES in node:
        shown[RULES] = [rule.schema() for rule in node[RULES]]
    if "properties" in node:
        shown["properties"] = {name: _published(n) for name, n in node["properties"].items()}
    for inner in ("items", "additionalProperties"):
        if inner in node:
            shown[inner] = _published(node[inner])
    return shown


_TYPES: Final[Mapping[str, type]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
}
_BOUNDS: Final[tuple[tuple[str, Callable[[Any, Any], bool]], ...]] = (
    ("enum", lambda value, allowed: value in allowed),
    ("minimum", lambda value, least: value >= least),
    ("maximum", lambda value, most: value <= most),
    ("minLength", lambda value, least: len(value) >= least),
    ("maxLength", lambda value, most: isinstance(value, int) or len(value) <= most),
    ("minItems", lambda value, least: len(value) >= least),
    ("maxItems", lambda value, most: len(value) <= most),
    ("maxProperties", lambda value, most: len(value) <= most),
)


def _read(value: Any, node: Node, path: str) -> Any:
    if node.get(_QUANTITY):
        _follow_rules(value, node, path)
        return canonical(value, finest="n")
    types: tuple[type, ...] = (_TYPES[node["type"]],) if "type" in node else (int, str)
    if not isinstance(value, types) or isinstance(value, bool):
        raise _wrong(f"must be of type {node.get('type', 'integer or string')}", path)
    for bound, holds in _BOUNDS:
        if bound in node and not holds(value, node[bound]):
            raise _wrong(f"must keep to {bound} {node[bound]}", path)
    read = _read_parts(value, node, path)
    _follow_rules(read, node, path)
    return read


def _read_parts(value: Any, node: Node, path: str) -> Any:
    if "properties" in node:
        missing = [name for name in node.get("required", ()) if name not in value]
        if missing:
            raise _wrong("must be given", f"{path}.{missing[0]}")
        return dict(_fields(value, node, path))
    if "items" in node:
        return [_read(item, node["items"], f"{path}[{i}]") for i, item in enumerate(value)]
    if "additionalProperties" in node:
        inner = node["additionalProperties"]
        return {name: _read(item, inner, f"{path}.{name}") for name, item in value.items()}
    return value


def _fields(value: Node, node: Node, path: str) -> Iterator[tuple[str, Any]]:
    for name, part in value.items():
        below = node["properties"].get(name)
        if below is None:
            yield name, part
        # Gone from what the API server gives back; an empty object or a number of 0 is not.
        elif part not in ("", [], {}) or "properties" in below or name in node.get("required", ()):
            yield name, _read(part, below, f"{path}.{name}")


def _follow_rules(value: Any, node: Node, path: str) -> None:
    for rule in node.get(RULES, ()):
        if not rule.holds(value):
            raise _wrong(rule.message, f"{path}.{rule.field}" if rule.field else path)


def _wrong(message: str, path: str) -> PydanticCustomError:
    context = {"message": message, "field": path.removeprefix(".")}
    return PydanticCustomError("core", "{message}", context)
