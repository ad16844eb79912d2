"""What the operator puts into a pod is what the runtime understands."""

from pathlib import Path

import httpx
import yaml

import modelserver_make as make
from modelserver_operator.api import ModelServer
from modelserver_operator.children import CHILDREN
from modelserver_operator.children.configmap import runtime_environment
from modelserver_operator.children.deployment import desired_deployment
from modelserver_operator.watch import WATCHED
from modelserver_runtime.app import create_app
from modelserver_runtime.settings import from_environment

ROOT = Path(__file__).resolve().parents[2]
PINNED = {
    "version": "1.0.0",
    "digest": "sha256:" + "0" * 64,
    "source": {"bundled": {"path": "/models/breast-cancer"}},
}


def environment() -> dict[str, str]:
    """Give what the operator sets for a ModelServer that says everything."""
    return runtime_environment(ModelServer.parse(make.server(model=PINNED)))


def test_every_variable_is_a_setting() -> None:
    """A rename on one side fails here, not in a pod: unknown names are refused."""
    settings = from_environment(environment())
    assert str(settings.model_path) == "/models/breast-cancer"
    assert settings.model_digest == PINNED["digest"]
    assert str(settings.termination_log) == "/dev/termination-log"


async def test_every_probe_is_a_route() -> None:
    """The kubelet asks paths that the runtime answers."""
    server = ModelServer.parse(make.server())
    pod = desired_deployment(server, runtime_image="x")["spec"]["template"]["spec"]
    names = ("startupProbe", "readinessProbe", "livenessProbe")
    paths = {pod["containers"][0][name]["httpGet"]["path"] for name in names}
    app = create_app(from_environment({"MODELSERVER_MODEL_PATH": str(ROOT / "artifacts/model")}))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://runtime"
    ) as client:
        answers = {path: (await client.get(path)).status_code for path in paths}
        assert (await client.get("/nowhere")).status_code == 404
    assert set(answers.values()) <= {200, 503}


def test_the_chart_grants_what_children_need_and_no_more() -> None:
    """Every child's kind can be written, nothing is a wildcard, no Secret is named."""
    text = (ROOT / "charts/modelserver-operator/templates/_names.tpl").read_text()
    rules = yaml.safe_load(text.split('"modelserver-operator.rules" -}}')[1].split("{{- end }}")[0])
    verbs = {
        (g, r): set(rule["verbs"])
        for rule in rules
        for g in rule["apiGroups"]
        for r in rule["resources"]
    }
    for child in CHILDREN:
        granted = verbs[child.kind.group, child.kind.plural]
        assert granted == {"get", "list", "watch", "create", "patch", "delete"}
    for kind in WATCHED:
        assert {"get", "list", "watch"} <= verbs[kind.group, kind.plural]
    assert not any("*" in (*key, *granted) for key, granted in verbs.items())
    assert not any(resource == "secrets" for _, resource in verbs)
    assert verbs["", "pods"] == {"get", "list", "watch"}
