"""The secured example whole: its commands, the pod that the operator makes, the runtime in it."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

import secured_example
from modelserver_operator.api import ModelServer
from modelserver_operator.children.configmap import runtime_environment
from modelserver_operator.children.pod import pod_template
from modelserver_runtime.settings import PREFIX
from runtime.process import BUNDLED, Process, running
from runtime.test_tls import trusting_file

# Keeps each value of a Secret as the file SECRET.KEY.
KUBECTL = f"""#!{sys.executable}
import pathlib, sys
_, create, secret, kind, name, *options = sys.argv
assert (create, secret) == ("create", "secret")
for option in options:
    flag, _, value = option.partition("=")
    if flag == "--from-literal":
        key, _, content = value.partition("=")
    else:
        key = {{"--cert": "tls.crt", "--key": "tls.key"}}[flag]
        content = pathlib.Path(value).read_text()
    pathlib.Path(f"{{name}}.{{key}}").write_text(content)
"""


def secured() -> ModelServer:
    """Parse the example."""
    body = yaml.safe_load(secured_example.FILE.read_text(encoding="utf-8"))
    body["metadata"] |= {"namespace": "default", "uid": "u1", "generation": 1}
    return ModelServer.parse(body)


def mount(secrets: Path, root: Path) -> None:
    """Put files below *root* as the kubelet puts them where the pod wants them."""
    pod = pod_template(secured(), "localhost/runtime:1")["spec"]
    paths = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    for volume in pod["volumes"]:
        source: dict[str, Any] = volume.get("secret", {"items": []})
        for item in source["items"]:
            file = root / paths[volume["name"]].removeprefix("/") / item["path"]
            file.parent.mkdir(parents=True, exist_ok=True)
            new = file.with_suffix(".new")
            new.write_bytes((secrets / f"{source['secretName']}.{item['key']}").read_bytes())
            new.rename(file)


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The Secrets that the commands in the example make."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    secured_example.make_secrets(folder, KUBECTL)
    return folder


@pytest.fixture
def process(tmp_path: Path, secrets: Path) -> Iterator[Process]:
    """The runtime with the settings and the files that the operator gives to a pod."""
    mount(secrets, tmp_path)
    settings = {
        name.removeprefix(PREFIX).lower(): value.replace("/etc/", f"{tmp_path}/etc/")
        for name, value in runtime_environment(secured()).items()
        if name.startswith(PREFIX)
    }
    own = {"model_path": str(BUNDLED), "termination_log": str(tmp_path / "log")}
    with running(**settings | own) as process:
        yield process


def test_it_answers_holders_of_the_token_over_tls(
    tmp_path: Path, secrets: Path, process: Process
) -> None:
    """By the name that the operator gives it; a token that is added later opens it, too."""
    tokens = secrets / "secured-tokens.tokens"
    row = {f"feature_{i}": 1.0 for i in range(1, 31)}
    name = {"sni_hostname": "secured.default.svc"}
    with httpx.Client(base_url=process.url(), verify=trusting_file(secrets / "tls.crt")) as client:

        def status(token: str) -> int:
            headers = {"authorization": f"Bearer {token}"} if token else {}
            answer = client.post("/predict", json=row, headers=headers, extensions=name)
            return answer.status_code

        process.wait_until(lambda: client.get("/ready", extensions=name).status_code == 200)
        assert client.get("/metrics", extensions=name).status_code == 200
        assert status("") == 401
        assert status("a-token-of-somebody-else") == 403
        assert status(tokens.read_text()) == 200

        tokens.write_text(f"{tokens.read_text()}\na-token-of-a-new-client\n")
        mount(secrets, tmp_path)
        time.sleep(1.1)  # files are looked at once a second
        assert status("a-token-of-a-new-client") == 200
