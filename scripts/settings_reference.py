"""The reference of the runtime's settings, made from their types and descriptions."""

from typing import Any, Final

from modelserver_runtime.settings import Settings, names_of

_INTRODUCTION: Final = """\
# Settings of the runtime

Every setting is an environment variable, read once at start. In Kubernetes the operator writes
them from `spec.model` and `spec.server`, and what has no field there keeps its default; by hand
they are for `docker run -e` and `make serve`. A name that does not exist, or a value that does not
fit, ends the process with exit code 64 and one line that names the setting.
`python -m modelserver_runtime --help` prints the list too.

| variable | value | default | meaning |
|---|---|---|---|
"""


def settings_reference() -> str:
    """Build docs/runtime-settings.md."""
    schema = Settings.model_json_schema(by_alias=False)
    rows = [_row(field, schema["properties"][field]) for field in Settings.model_fields]
    return _INTRODUCTION + "".join(rows)


def _row(field: str, property_: dict[str, Any]) -> str:
    names = " or ".join(f"`{name}`" for name in names_of(field))
    words = " ".join((Settings.model_fields[field].description or "").split())
    cells = (names, _value(property_), _default(field), words)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _value(property_: dict[str, Any]) -> str:
    """Say what may be written, with its limits."""
    branches = [branch for branch in property_.get("anyOf", ()) if branch.get("type") != "null"]
    node = {**property_, **branches[0]} if branches else property_
    if "enum" in node:
        return ", ".join(f"`{choice}`" for choice in node["enum"])
    if node.get("type") == "array":
        choices = node["items"].get("enum")
        return "list of " + (", ".join(f"`{c}`" for c in choices) if choices else "texts")
    if node.get("type") in ("integer", "number"):
        return f"{'whole number' if node['type'] == 'integer' else 'number'}{_range(node)}"
    if node.get("type") == "boolean":
        return "`true`, `false`"
    return "path" if node.get("format") == "path" else "text"


def _range(node: dict[str, Any]) -> str:
    bounds = (
        ("minimum", ">="),
        ("exclusiveMinimum", ">"),
        ("maximum", "<="),
        ("exclusiveMaximum", "<"),
    )
    said = [f"{sign} {node[key]:,}" for key, sign in bounds if key in node]
    return f" {', '.join(said)}" if said else ""


def _default(field: str) -> str:
    default = Settings.model_fields[field].default
    if default in (None, ()):
        return "none"
    if isinstance(default, tuple):
        return f"`{','.join(default)}`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"
