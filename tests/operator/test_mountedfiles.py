"""What pods have out of Secrets and ConfigMaps: mounted by the kubelet, and taken up anew."""

from typing import Any

import pytest

import modelserver_make as make
from modelserver_operator.children.configmap import config_map_name
from modelserver_operator.children.pod import pod_template

TOKENS = {"auth": {"bearerTokens": {"secret": {"name": "clients", "key": "tokens.txt"}}}}
TLS = {"tls": {"secret": {"name": "web-tls"}}}


def template(**server: Any) -> dict[str, Any]:
    """Build the pod template."""
    return pod_template(make.parsed(server=server), "localhost/runtime:1")


@pytest.mark.parametrize(
    ("server", "secret", "items", "folder"),
    [
        pytest.param(TOKENS, "clients", {"tokens.txt": "tokens"}, "auth", id="tokens"),
        pytest.param(
            TLS, "web-tls", {"tls.crt": "tls.crt", "tls.key": "tls.key"}, "tls", id="certificate"
        ),
    ],
)
def test_a_secret_is_a_folder_that_the_container_can_only_read(server, secret, items, folder):
    """Each key is named: without one the kubelet waits, and says which is missing."""
    spec = template(**server)["spec"]
    (volume,) = [v["secret"] for v in spec["volumes"] if "secret" in v]
    assert volume["secretName"] == secret
    assert {item["key"]: item["path"] for item in volume["items"]} == items
    assert volume["defaultMode"] == 0o440
    (mount,) = [m for m in spec["containers"][0]["volumeMounts"] if m["name"] == folder]
    # A folder, never a `subPath`: that would not follow the Secret.
    assert mount == {"name": folder, "mountPath": f"/etc/modelserver/{folder}", "readOnly": True}


def test_without_them_there_is_nothing_to_mount():
    """No Secret is in a pod that does not need one."""
    assert [v for v in template()["spec"]["volumes"] if "secret" in v] == []


def test_another_secret_makes_new_pods():
    """What is in it does not show in the template: the runtime reads it again when it changes."""
    renamed = {"tls": {"secret": {"name": "other"}}}
    assert template(**TLS) != template(**renamed)
    names = [config_map_name(make.parsed(server=server)) for server in (TLS, renamed)]
    assert names[0] == names[1] != config_map_name(make.parsed())
