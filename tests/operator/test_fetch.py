"""A model from the network: fetched by an init container, which is told where from and no more."""

from typing import Any

import pytest

import modelserver_make as make
from modelserver_operator.children.configmap import desired_config_map
from modelserver_operator.children.pod import pod_template

DIGEST = "sha256:" + "0" * 64
HTTP = {"url": "https://models.example.com/spam-1.tar.gz?a=$(HOME)&b=$x"}
S3 = {"bucket": "models", "key": "spam/1/"}
CA = {"configMap": {"name": "authorities", "key": "root.pem"}}


def pod(**source: Any) -> dict[str, Any]:
    """Build the spec of a pod whose model comes from *source*."""
    model = {"source": source, "digest": DIGEST}
    return dict(pod_template(make.parsed(model=model), "localhost/runtime:1")["spec"])


def fetch(**source: Any) -> dict[str, Any]:
    """Build the init container."""
    (container,) = pod(**source)["initContainers"]
    return dict(container)


@pytest.mark.parametrize(
    ("source", "want"),
    [
        pytest.param(
            {"http": HTTP},
            # $(HOME) is what the kubelet would put a variable's value for.
            [
                "https://models.example.com/spam-1.tar.gz?a=$$(HOME)&b=$$x",
                "/model/artifact",
                f"--digest={DIGEST}",
                "--max-bytes=1073741824",
                "--timeout-seconds=300",
            ],
            id="a URL, by the defaults",
        ),
        pytest.param(
            {
                "http": HTTP
                | {
                    "url": "http://a/b",
                    "maxBytes": 2048,
                    "timeoutSeconds": 7,
                    "caBundle": CA,
                    "credentialsSecret": {"name": "web"},
                }
            },
            [
                "http://a/b",
                "/model/artifact",
                f"--digest={DIGEST}",
                "--max-bytes=2048",
                "--timeout-seconds=7",
                "--ca-file=/etc/modelserver/source-ca/ca.pem",
                "--credentials=/etc/modelserver/source-credentials",
            ],
            id="a URL, with everything",
        ),
        pytest.param(
            {
                "s3": S3
                | {
                    "endpoint": "http://store:9000",
                    "region": "eu-central-1",
                    "pathStyle": True,
                    "credentialsSecret": {"name": "store"},
                }
            },
            [
                "s3://models/spam/1/",
                "/model/artifact",
                f"--digest={DIGEST}",
                "--max-bytes=1073741824",
                "--timeout-seconds=300",
                "--credentials=/etc/modelserver/source-credentials",
                "--endpoint=http://store:9000",
                "--region=eu-central-1",
                "--path-style",
            ],
            id="a folder of a bucket",
        ),
    ],
)
def test_what_it_is_told(source, want):
    """A change of any of it is a change of the pod template, and so a rollout."""
    container = fetch(**source)
    assert container["command"] == ["modelserver", "fetch"]
    assert container["args"] == want


@pytest.mark.parametrize("source", [{"http": HTTP}, {"s3": S3}], ids=["http", "s3"])
def test_it_may_do_no_more_than_the_runtime(source):
    """The same image, rights and resources; it alone can write where the model is to be."""
    body = pod(**source)
    ((container,), (runtime,)) = body["initContainers"], body["containers"]
    for name in ("image", "imagePullPolicy", "resources", "securityContext"):
        assert container[name] == runtime[name]
    assert container["terminationMessagePath"] == runtime["terminationMessagePath"]
    log = {"name": "MODELSERVER_TERMINATION_LOG", "value": runtime["terminationMessagePath"]}
    assert log in container["env"]
    assert container["volumeMounts"] == [{"name": "model", "mountPath": "/model"}]
    written = {mount["name"]: mount.get("readOnly") for mount in runtime["volumeMounts"]}
    assert written == {"tmp": None, "model": True}


def test_what_the_node_may_do_is_not_what_a_fetch_may():
    """The AWS tools would take the credentials of the node where the pod has none."""
    no_node = {"name": "AWS_EC2_METADATA_DISABLED", "value": "true"}
    assert no_node in fetch(s3=S3)["env"]


def test_secrets_of_the_source_are_seen_by_the_fetch_alone():
    """The runtime has no use for them; it is what strangers talk to."""
    body = pod(http=HTTP | {"caBundle": CA, "credentialsSecret": {"name": "web"}})
    volumes = {volume.pop("name"): volume for volume in body["volumes"]}
    assert volumes["source-credentials"] == {"secret": {"secretName": "web", "defaultMode": 0o440}}
    items = [{"key": "root.pem", "path": "ca.pem"}]
    authorities = {"name": "authorities", "defaultMode": 0o440, "items": items}
    assert volumes["source-ca"] == {"configMap": authorities}
    mounted = {mount["name"] for mount in body["containers"][0]["volumeMounts"]}
    assert mounted == {"tmp", "model"}
    mounts = {m["name"]: m.get("readOnly") for m in body["initContainers"][0]["volumeMounts"]}
    assert mounts == {"model": None, "source-ca": True, "source-credentials": True}


@pytest.mark.parametrize(
    ("max_bytes", "want"),
    [
        pytest.param(1024, "66Mi", id="a little"),
        pytest.param(2**20, "66Mi", id="one mebibyte"),
        pytest.param(2**20 + 1, "68Mi", id="rounded up"),
        pytest.param(480 * 2**20, "1Gi", id="as the API server writes it"),
    ],
)
def test_the_volume_has_room_for_the_archive_and_for_what_is_in_it(max_bytes, want):
    """The kubelet evicts a pod that takes more."""
    volumes = pod(http=HTTP | {"maxBytes": max_bytes})["volumes"]
    (volume,) = [volume for volume in volumes if volume["name"] == "model"]
    assert volume == {"name": "model", "emptyDir": {"sizeLimit": want}}


@pytest.mark.parametrize("spec", make.SPECS.values(), ids=make.SPECS)
def test_nothing_is_fetched_that_the_kubelet_brings(spec):
    """An older pod template stays what it was."""
    template = pod_template(make.parsed(**spec), "localhost/runtime:1")
    assert "initContainers" not in template["spec"]


def test_a_public_key_is_mounted_and_named():
    """Where a signature is asked for, and only there."""
    key = {"configMap": {"name": "keys", "key": "release.pub"}}
    bundled = {"source": {"bundled": {"path": "/models/a"}}}
    server = make.parsed(model=bundled | {"signature": {"publicKey": key}})
    data = desired_config_map(server, make.SURROUNDINGS)["data"]
    path = "/etc/modelserver/signature/public-key.pem"
    assert data["MODELSERVER_SIGNATURE_KEY_FILE"] == path
    spec = pod_template(server, "x")["spec"]
    (volume,) = [volume for volume in spec["volumes"] if volume["name"] == "signature"]
    assert volume["configMap"]["items"] == [{"key": "release.pub", "path": "public-key.pem"}]
    (mount,) = [m for m in spec["containers"][0]["volumeMounts"] if m["name"] == "signature"]
    assert mount["mountPath"] == "/etc/modelserver/signature"
    assert "--signed" not in fetch(s3=S3)["args"]
    signed = make.parsed(
        model={"source": {"s3": S3}, "digest": DIGEST, "signature": {"publicKey": key}}
    )
    assert "--signed" in pod_template(signed, "x")["spec"]["initContainers"][0]["args"]
    without = desired_config_map(make.parsed(model=bundled), make.SURROUNDINGS)["data"]
    assert "MODELSERVER_SIGNATURE_KEY_FILE" not in without
