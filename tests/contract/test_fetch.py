"""What the operator tells an init container to fetch is what the command understands."""

from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

import modelserver_make as make
from modelserver_operator.children.configmap import model_path
from modelserver_operator.children.pod import pod_template
from modelserver_runtime.commands import app
from modelserver_runtime.settings import names_of

DIGEST = "sha256:" + "0" * 64
CA = {"configMap": {"name": "authorities", "key": "root.pem"}}
SECRET = {"name": "reader"}
FETCHED = {"maxBytes": 2048, "timeoutSeconds": 7, "caBundle": CA, "credentialsSecret": SECRET}
SOURCES: dict[str, dict[str, Any]] = {
    "http": {"url": "https://example.com/m.tar?a=b"},
    "s3": {
        "bucket": "models",
        "key": "m/1/",
        "endpoint": "http://store:9000",
        "region": "eu-central-1",
        "pathStyle": True,
    },
}


def container(**source: Any) -> tuple[dict[str, Any], str]:
    """Build the init container, and where the runtime looks for the model."""
    signature = {"publicKey": {"configMap": {"name": "keys", "key": "release.pub"}}}
    server = make.parsed(model={"source": source, "digest": DIGEST, "signature": signature})
    (built,) = pod_template(server, "localhost/runtime:1")["spec"]["initContainers"]
    return built, model_path(server)


def understood(arguments: list[str]) -> dict[str, Any]:
    """Let the command read *arguments*, as the kubelet hands them on, and not run."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    plain = [argument.replace("$$", "$") for argument in arguments]
    return dict(group.commands["fetch"].make_context("fetch", plain).params)


@pytest.mark.parametrize("kind", SOURCES)
def test_every_option_arrives(kind: str) -> None:
    """A rename on one side fails here, and not in a pod."""
    built, path = container(**{kind: SOURCES[kind] | FETCHED})
    assert built["command"] == ["modelserver", "fetch"]
    s3 = kind == "s3"
    assert understood(built["args"]) == {
        "source": "s3://models/m/1/" if s3 else "https://example.com/m.tar?a=b",
        "into": Path(path),
        "digest": DIGEST,
        "max_bytes": 2048,
        "timeout_seconds": 7,
        "ca_file": Path("/etc/modelserver/source-ca/ca.pem"),
        "credentials": Path("/etc/modelserver/source-credentials"),
        "endpoint": "http://store:9000" if s3 else None,
        "region": "eu-central-1" if s3 else None,
        "path_style": s3,
        "signed": True,
    }


@pytest.mark.parametrize("kind", SOURCES)
def test_defaults_are_the_same_at_a_desk(kind: str) -> None:
    """What the API gives where nothing is said, the command gives as well."""
    built, path = container(**{kind: SOURCES[kind]})
    said = understood(built["args"])
    alone = understood([built["args"][0], path, f"--digest={DIGEST}"])
    names = ("max_bytes", "timeout_seconds", "ca_file", "credentials")
    assert {name: said[name] for name in names} == {name: alone[name] for name in names}


def test_last_words_go_where_the_kubelet_looks() -> None:
    """The setting of the runtime, by its own name."""
    built, _ = container(http=SOURCES["http"])
    variables = {variable["name"]: variable["value"] for variable in built["env"]}
    (name,) = names_of("termination_log")
    assert variables[name] == built["terminationMessagePath"]
