"""The CustomResourceDefinition of ModelServer, made from the typed resource."""

from typing import Any, Final

from modelserver_operator.api import ModelServer, ModelServerStatus
from modelserver_operator.api.wire import RULES, WHEN_ABSENT
from modelserver_operator.kinds import MODEL_SERVER

INT32_MAX: Final = 2_147_483_647

_COLUMNS: Final = (
    ("Ready", ".status.readyPods", "ready pods and wanted pods", 0),
    (
        "Available",
        ".status.conditions[?(@.type=='Available')].status",
        "whether enough pods answer",
        0,
    ),
    ("Model", ".status.model.name", "name in URLs and metrics", 0),
    ("Version", ".status.model.version", "version that is asked for", 0),
    ("Reason", ".status.conditions[?(@.type=='Ready')].reason", "reason of Ready", 0),
    ("URL", ".status.url", "address inside the cluster", 1),
    ("Digest", ".status.model.digest", "digest that is asked for", 1),
    ("Image", ".status.image", "runtime image of the newest pods", 1),
)


def custom_resource_definition() -> dict[str, Any]:
    """Build the definition as it is applied."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{MODEL_SERVER.plural}.{MODEL_SERVER.group}"},
        "spec": {
            "group": MODEL_SERVER.group,
            "scope": "Namespaced",
            "names": {
                "kind": MODEL_SERVER.name,
                "listKind": f"{MODEL_SERVER.name}List",
                "plural": MODEL_SERVER.plural,
                "singular": MODEL_SERVER.name.lower(),
                "shortNames": ["ms"],
                # `kubectl get all` shows the Deployment, the Service and the pods: whoever sees
                # them should see what they are made from, and that it is the thing to edit.
                "categories": ["all"],
            },
            "versions": [
                {
                    "name": MODEL_SERVER.version,
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": [*map(_column, _COLUMNS), _AGE],
                    "schema": {"openAPIV3Schema": model_server_schema()},
                    "subresources": {
                        "status": {},
                        "scale": {
                            "specReplicasPath": ".spec.replicas",
                            "statusReplicasPath": ".status.replicas",
                            "labelSelectorPath": ".status.selector",
                        },
                    },
                },
            ],
        },
    }


_AGE: Final = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def _column(column: tuple[str, str, str, int]) -> dict[str, Any]:
    name, path, description, priority = column
    wide_only = {"priority": priority} if priority else {}
    return {
        "name": name,
        "type": "string",
        "description": description,
        "jsonPath": path,
        **wide_only,
    }


def model_server_schema() -> dict[str, Any]:
    """Build the structural schema of the whole object."""
    whole = structural_schema(ModelServer.model_json_schema())
    return {
        "description": whole["description"],
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": whole["properties"]["spec"],
            "status": structural_schema(ModelServerStatus.model_json_schema()),
        },
        RULES: whole[RULES],
    }


def structural_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """
    Turn the JSON schema of a pydantic model into what the API server calls structural.

    That is: no references, no `null` branches (an optional field is one that is not required),
    no titles, and one `format` for each integer.
    """
    return _structural(schema, schema.get("$defs", {}))


def _structural(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    node = _resolved(node, definitions)
    schema = {key: node[key] for key in _KEPT if key in node}
    if "description" in schema:
        absent = f"\n\nDefault: {node[WHEN_ABSENT]}." if WHEN_ABSENT in node else ""
        schema["description"] = _unwrapped(schema["description"] + absent)
    if schema.get("type") == "integer":
        schema["format"] = "int32" if schema.get("maximum", INT32_MAX + 1) <= INT32_MAX else "int64"
    if "items" in node:
        schema["items"] = _structural(node["items"], definitions)
    if isinstance(node.get("additionalProperties"), dict):
        schema["additionalProperties"] = _structural(node["additionalProperties"], definitions)
    if "properties" in node:
        schema["properties"] = {
            name: _structural(value, definitions) for name, value in node["properties"].items()
        }
    default = _set(node.get("default"))
    return schema if default is None else {**schema, "default": default}


def _set(value: Any) -> Any:
    """Leave out of a default what stands for "not set"; None where nothing is left."""
    if not isinstance(value, dict):
        return None if value in (None, "", []) else value
    return {name: part for name, v in value.items() if (part := _set(v)) is not None} or None


_KEPT: Final = (
    "description",
    "externalDocs",
    "type",
    "format",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
    "required",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    RULES,
)


def _resolved(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Put what a reference or an optional branch says under what the field itself says."""
    if "$ref" in node:
        below = definitions[node["$ref"].removeprefix("#/$defs/")]
    elif "anyOf" in node:
        (below,) = (branch for branch in node["anyOf"] if branch != {"type": "null"})
    else:
        return node
    below = _resolved(below, definitions)
    above = {key: value for key, value in node.items() if key not in ("$ref", "anyOf")}
    rules = [*below.get(RULES, ()), *above.get(RULES, ())]
    return {**below, **above, **({RULES: rules} if rules else {})}


def _unwrapped(text: str) -> str:
    """Join the lines of each paragraph: where they break is the matter of whoever shows them."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))
