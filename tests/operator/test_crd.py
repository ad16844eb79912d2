"""The CustomResourceDefinition: its manners, its size, and that it is what the code generates."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "crds" / "modelservers.yaml").read_text(encoding="utf-8")
CRD = yaml.safe_load(TEXT)
(VERSION,) = CRD["spec"]["versions"]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]
CHART_TEMPLATE = ROOT / "charts" / "modelserver-operator" / "templates" / "crd.yaml"


def nodes(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Walk every schema below *schema*, each with its path."""
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from nodes(below, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if "additionalProperties" in schema:
        yield from nodes(schema["additionalProperties"], f"{path}{{}}")


NODES = [
    *nodes(SCHEMA["properties"]["spec"], "spec"),
    *nodes(SCHEMA["properties"]["status"], "status"),
]


def test_generated_files_are_current() -> None:
    """The code is the source: whoever edits a generated file is told."""
    command = [sys.executable, "scripts/generate.py", "--check"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "")


def test_it_fits_a_plain_kubectl_apply() -> None:
    """`kubectl apply` keeps the whole object in an annotation of at most 256 KiB."""
    assert len(json.dumps(CRD)) < 256 * 1024
    assert len(TEXT) < 256 * 1024


def test_the_chart_installs_the_same_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    """Helm never upgrades a `crds/` folder, and the definition must outlive the release."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import generate  # noqa: PLC0415 - a program, found by the line above

    first, *body, last = CHART_TEMPLATE.read_text(encoding="utf-8").splitlines(keepends=True)
    assert (first, last) == ("{{- if .Values.crds.install }}\n", "{{- end }}\n")
    assert not [line for line in body if "{{" in line]
    installed = yaml.safe_load("".join(body))
    assert installed["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert installed == CRD
    assert "text: '{{ `{{` }} braces }}'" in generate.chart_template(
        {"metadata": {}, "text": "{{ braces }}"}
    )


def test_every_size_is_bounded() -> None:
    """The cost of a rule is estimated from maxima, and no object may fill etcd."""
    unbounded = [
        path
        for path, node in NODES
        if (node.get("type") == "string" and not {"maxLength", "enum", "format"} & node.keys())
        or (node.get("type") == "array" and "maxItems" not in node)
        or ("additionalProperties" in node and "maxProperties" not in node)
        or ("x-kubernetes-int-or-string" in node and "maxLength" not in node)
    ]
    assert unbounded == []


def test_lists_say_how_they_are_merged() -> None:
    """Server-side apply needs to know whose item is whose."""
    lists = {p: n.get("x-kubernetes-list-type") for p, n in NODES if n.get("type") == "array"}
    assert None not in lists.values()
    assert lists["status.conditions"] == "map"


def test_there_are_no_floats() -> None:
    """A float is not the same number everywhere."""
    assert [path for path, node in NODES if node.get("type") == "number"] == []


def test_every_field_is_described() -> None:
    """`kubectl explain` is the first documentation that people meet."""
    fields = [(path, node) for path, node in NODES if not path.endswith(("[]", "{}"))]
    assert [path for path, node in fields if not node.get("description")] == []


def test_every_rule_says_what_to_write() -> None:
    """A message is part of a sentence that the API server begins, so it has no full stop."""
    rules = [rule for _, node in [*NODES, ("", SCHEMA)] for rule in _rules(node)]
    assert [rule for rule in rules if not rule["message"] or rule["message"].endswith(".")] == []


def test_the_links_of_the_reference_lead_to_headings() -> None:
    """Whoever meets a reason gets to what it means."""
    docs = ROOT / "docs"
    reference = (docs / "api.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)(?:#([^)]+))?\)", reference)
    links = [(path, anchor) for path, anchor in links if not path.startswith("https://")]
    assert {"operations.md", "../examples"} == {path for path, _ in links}
    assert [path for path, _ in links if not (docs / path).exists()] == []
    headings = re.findall(r"^#+ (.+)$", (docs / "operations.md").read_text("utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert [anchor for _, anchor in links if anchor and anchor not in anchors] == []


def _rules(node: dict[str, Any]) -> list[dict[str, str]]:
    rules: list[dict[str, str]] = node.get("x-kubernetes-validations", [])
    return rules


def test_the_status_has_no_defaults() -> None:
    """What was not seen is not claimed."""
    assert [path for path, node in NODES if path.startswith("status") and "default" in node] == []


def test_scale_and_status_are_subresources() -> None:
    """`kubectl scale` and an autoscaler work, and nobody writes the status by accident."""
    assert VERSION["subresources"] == {
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    }


def test_columns_answer_the_questions_of_the_person_on_call() -> None:
    """How many are ready, does it answer, what, and if not why; the rest is for `-o wide`."""
    columns = VERSION["additionalPrinterColumns"]
    narrow = [column["name"] for column in columns if not column.get("priority")]
    assert narrow == ["Ready", "Available", "Model", "Version", "Reason", "Age"]
    assert [c["name"] for c in columns if c.get("priority")] == ["URL", "Digest", "Image"]
