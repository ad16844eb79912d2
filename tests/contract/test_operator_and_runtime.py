"""What the operator puts into a pod is what the runtime understands."""

from pathlib import Path
from typing import get_args

import httpx
import yaml

import modelserver_make as make
from modelserver_operator.api import ModelServer
from modelserver_operator.children import CHILDREN
from modelserver_operator.children.configmap import runtime_environment
from modelserver_operator.children.pod import pod_template
from modelserver_operator.reasons import RuntimeReason
from modelserver_operator.watch import WATCHED
from modelserver_runtime.app import create_app
from modelserver_runtime.errors import LoadError
from modelserver_runtime.settings import from_environment

ROOT = Path(__file__).resolve().parents[2]
PINNED = {
    "version": "1.0.0",
    "digest": "sha256:" + "0" * 64,
    "source": {"bundled": {"path": "/models/breast-cancer"}},
    "signature": {"publicKey": {"configMap": {"name": "keys", "key": "release.pub"}}},
}


def environment() -> dict[str, str]:
    """Give what the operator sets for a ModelServer that says everything."""
    spec = make.SPECS["fuller"] | {"model": PINNED}
    return runtime_environment(ModelServer.parse(make.server(**spec)))


def test_every_variable_is_a_setting() -> None:
    """A rename on one side fails here, not in a pod: unknown names are refused."""
    settings = from_environment(environment())
    assert str(settings.model_path) == "/models/breast-cancer"
    assert settings.model_digest == PINNED["digest"]
    assert str(settings.signature_key_file) == "/etc/modelserver/signature/public-key.pem"
    assert str(settings.termination_log) == "/dev/termination-log"
    assert (settings.log_level, settings.max_batch_rows) == ("DEBUG", 100)
    assert (settings.max_body_bytes, settings.max_concurrency) == (1048576, 64)
    assert (settings.drain_seconds, settings.request_timeout_seconds) == (3, 7)
    assert (settings.load_timeout_seconds, settings.metrics_port) == (61, 9090)


def test_defaults_are_said_once() -> None:
    """What the operator sets where the spec says nothing is what the runtime does by itself."""
    names = ("log_level", "max_batch_rows", "max_body_bytes", "max_concurrency", "drain_seconds")
    names += ("request_timeout_seconds", "load_timeout_seconds", "metrics_port", "model_formats")
    said = from_environment(runtime_environment(ModelServer.parse(make.server())))
    alone = from_environment({})
    assert {n: getattr(said, n) for n in names} == {n: getattr(alone, n) for n in names}


async def test_every_probe_is_a_route() -> None:
    """The kubelet asks paths that the runtime answers."""
    server = ModelServer.parse(make.server())
    pod = pod_template(server, "localhost/runtime:1")["spec"]
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
        assert {"list", "watch"} <= verbs[kind.group, kind.plural]
    assert not any("*" in (*key, *granted) for key, granted in verbs.items())
    assert not any(resource == "secrets" for _, resource in verbs)
    assert verbs["", "pods"] == {"list", "watch"}
    assert verbs["", "events"] == {"list"}
    assert verbs["events.k8s.io", "events"] == {"create", "patch"}


def test_every_reason_of_the_runtime_is_known_to_the_operator() -> None:
    """Another word would be taken for the last line of somebody's log."""
    told = {error.__name__ for error in LoadError.__subclasses__()} | {"InvalidSetting"}
    assert told == set(get_args(RuntimeReason))
