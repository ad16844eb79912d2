"""
Models from the network serve when they are what was pinned, and say why when they are not.

The cluster has a web server and a store for them. ConfigMaps and volumes, and a plain fetch from
both servers, are in `test_examples.py`. All cases here are applied at once.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import artifacts
import pytest
from cluster_access import TINY, Cluster, eventually, installed_image, model_server, post
from cryptography.hazmat.primitives.asymmetric import ec
from load import ENOUGH, ROW, under_load
from model_stores import Stores, stores
from nodes import is_ready, nodes, worker

from runtime.archive_make import DIGEST, tar, with_flipped_byte, zipped
from runtime.artifact_make import Artifact
from runtime.hostile_archives import HOSTILE
from runtime.test_signature_check import sign, write_keys

pytestmark = pytest.mark.cluster

OTHER = artifacts.with_another_description()
JOBLIB = artifacts.with_joblib_only()
LINK = next(each.content for each in HOSTILE if each.name == "tar: symbolic link")
FILES = {
    "good.zip": zipped(below="breast-cancer/"),
    "first.tar": tar(),
    "second.tar": tar(OTHER),
    "flipped.tar": tar(with_flipped_byte("model.skops")),
    "other.tar": tar(OTHER),
    "joblib.tar": tar(JOBLIB),
    "link.tar": LINK,
}
OBJECTS = {
    "archives/good.tar.gz": tar(kind="gz"),
    **{f"flipped/{name}": body for name, body in with_flipped_byte("model.skops").items()},
}
SKOPS = hashlib.sha256(artifacts.files()["model.skops"]).hexdigest()
NO_IMAGE = "localhost/no-such-model@" + "sha256:" + "0" * 64
IMAGE = "localhost/test-model@" + "sha256:" + "1" * 64
"""The runtime's image, under another name that every node has."""
READY_SECONDS = 120


def http(path: str, digest: str = DIGEST, **more: Any) -> dict[str, Any]:
    """Build the `model` of what nginx has at *path*."""
    return {"source": {"http": {"url": f"http://web/{path}"} | more}, "digest": digest}


def s3(key: str, digest: str = DIGEST, **more: Any) -> dict[str, Any]:
    """Build the `model` of what the store has at *key*."""
    source = {
        "bucket": "models",
        "key": key,
        "endpoint": "http://store:9000",
        "pathStyle": True,
        "credentialsSecret": {"name": "store"},
    }
    return {"source": {"s3": source | more}, "digest": digest}


TLS = {
    "url": "https://web/good.zip",
    "caBundle": {"configMap": {"name": "authorities", "key": "ca.pem"}},
    "credentialsSecret": {"name": "reader"},
}
SERVES = {"over-tls": http("", **TLS), "archive-in-a-bucket": s3("archives/good.tar.gz")}


@dataclass(frozen=True)
class Refused:
    """
    A model that must not be served.

    Args:
        model: of the ModelServer.
        reason: of Ready.
        says: what must stand in the message, all of it.
        stalled: whether a person is needed.
    """

    model: dict[str, Any]
    reason: str
    says: tuple[str, ...]
    stalled: bool = True


REFUSED = {
    "flipped-file": Refused(
        http("flipped.tar"),
        "DigestMismatch",
        (
            "http://web/flipped.tar: model.skops has sha256:",
            f"but the manifest says sha256:{SKOPS}",
        ),
    ),
    "flipped-object": Refused(
        s3("flipped/"),
        "DigestMismatch",
        (
            "s3://models/flipped/: model.skops has sha256:",
            f"but the manifest says sha256:{SKOPS}",
        ),
    ),
    "another-artifact": Refused(
        http("other.tar"),
        "DigestMismatch",
        (f"has digest {artifacts.digest(OTHER)}, but {DIGEST} is pinned",),
    ),
    "joblib": Refused(
        http("joblib.tar", artifacts.digest(JOBLIB)),
        "UnsafeFormat",
        ("the artifact has joblib, but allowed are skops, onnx",),
    ),
    "link": Refused(http("link.tar"), "UnsafeArchive", ("'model.skops' is a link",)),
    "too-large": Refused(
        http("first.tar", maxBytes=2048), "SourceTooLarge", ("and may have 2048",)
    ),
    "nothing-there": Refused(
        http("none.tar"), "FetchFailed", ("http://web/none.tar: it answers 404",), stalled=False
    ),
    "no-such-host": Refused(
        {"source": {"http": {"url": "http://nowhere/m.tar"}}, "digest": DIGEST},
        "FetchFailed",
        ("http://nowhere/m.tar: the name of nowhere is not known",),
        stalled=False,
    ),
    "unknown-authority": Refused(
        http("", **{name: value for name, value in TLS.items() if name != "caBundle"}),
        "FetchFailed",
        ("https://web/good.zip: TLS with web failed: ",),
        stalled=False,
    ),
    "no-secret": Refused(
        http("first.tar", credentialsSecret={"name": "none"}),
        "VolumeMountFailed",
        ('secret "none" not found',),
        stalled=False,
    ),
    "no-image": Refused(
        {"source": {"image": {"reference": NO_IMAGE}}, "digest": DIGEST},
        "ImagePullFailed",
        (NO_IMAGE,),
        stalled=False,
    ),
}


def server(name: str, model: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """Build a small server of *model*."""
    rollout = {"minReadySeconds": 2}
    return model_server(name, model=model, resources=TINY, rollout=rollout, **spec)


def signed(folder: Path) -> dict[str, bytes]:
    """Sign the artifact as its users do; the public half of the key is beside it in *folder*."""
    write_keys(folder, "ours", ec.generate_private_key(ec.SECP256R1()))
    write_keys(folder, "theirs", ec.generate_private_key(ec.SECP256R1()))
    artifact = Artifact(shutil.copytree(artifacts.ARTIFACT, folder / "artifact"))
    sign(artifact, folder / "ours.pem")
    return {path.name: path.read_bytes() for path in artifact.folder.iterdir()}


def keys(folder: Path) -> dict[str, Any]:
    """Build the ConfigMap of both public keys."""
    data = {name: (folder / f"{name}.pub").read_text() for name in ("ours", "theirs")}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "keys"}, "data": data}


def by(key: str) -> dict[str, Any]:
    """Ask for a signature by *key*."""
    return {"signature": {"publicKey": {"configMap": {"name": "keys", "key": key}}}}


SERVES |= {
    "signed-objects": s3("signed/") | by("ours"),
    "signed-file": http("signed.tar") | by("ours"),
}
REFUSED |= {
    "signed-by-another": Refused(
        s3("signed/") | by("theirs"), "SignatureInvalid", ("does not verify with",)
    ),
    "unsigned": Refused(http("first.tar") | by("ours"), "SignatureInvalid", ("no model.sig",)),
}


@pytest.fixture(scope="module")
def sources(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    """Both servers with all that they have, and all ModelServers but the one that is changed."""
    for node in nodes(cluster):
        images = ("docker", "exec", node, "ctr", "-n", "k8s.io", "images")
        cluster.run(*images, "tag", "--force", installed_image("RUNTIME_IMAGE"), IMAGE)
    with cluster.fresh_namespace("sources") as namespace, stores(cluster, namespace) as found:
        folder = tmp_path_factory.mktemp("signed")
        ours = signed(folder)
        found.upload(FILES | {"signed.tar": tar(ours)})
        found.put(OBJECTS | {f"signed/{name}": body for name, body in ours.items()})
        cluster.apply(namespace, keys(folder))
        image = {
            "source": {"image": {"reference": IMAGE, "path": "models/breast-cancer"}},
            "digest": DIGEST,
        }
        models = SERVES | {name: refused.model for name, refused in REFUSED.items()}
        models["from-an-image"] = image
        bodies = [server(name, model, replicas=1) for name, model in models.items()]
        cluster.apply(namespace, *bodies)
        yield found


def condition(sources: Stores, name: str, kind: str = "Ready") -> dict[str, Any]:
    """Read a condition."""
    return sources.cluster.condition(sources.namespace, name, kind)


def says(sources: Stores, name: str, reason: str, *words: str) -> bool:
    """Say whether Ready is False for *reason*, in *words*."""
    found = condition(sources, name)
    return (found.get("status"), found.get("reason")) == ("False", reason) and all(
        part in found["message"] for part in words
    )


@pytest.mark.parametrize("name", SERVES)
def test_it_serves(cluster: Cluster, sources: Stores, name: str) -> None:
    """Fetched, verified, and answering."""
    cluster.wait_ready(sources.namespace, name, READY_SECONDS)
    with cluster.forward(sources.namespace, f"service/{name}") as url:
        status, answer = post(f"{url}/predict", ROW)
    assert (status, answer["prediction"]) == (200, 1)


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_and_says_why(sources: Stores, name: str) -> None:
    """Never Ready; in the words of whoever knows it."""
    refused = REFUSED[name]
    eventually(
        lambda: says(sources, name, refused.reason, *refused.says),
        READY_SECONDS,
        lambda: str(condition(sources, name)),
    )
    stalled = condition(sources, name, "Stalled")
    assert (stalled["status"] == "True") is refused.stalled
    server = sources.cluster.get(sources.namespace, "modelserver", name) or {}
    assert server["status"].get("readyReplicas", 0) == 0


def test_an_image_serves_or_says_that_the_nodes_have_no_image_volumes(
    cluster: Cluster, sources: Stores
) -> None:
    """
    Which of both depends on the nodes' container runtime.

    A node that this project builds has containerd 1.7, which has none.
    """
    node = cluster.get("", "node", worker(cluster)) or {}
    version = node["status"]["nodeInfo"]["containerRuntimeVersion"]
    found = re.match(r"containerd://v?(\d+)\.(\d+)", version)
    if found is not None and (int(found[1]), int(found[2])) >= (2, 1):
        cluster.wait_ready(sources.namespace, "from-an-image", READY_SECONDS)
        return
    eventually(
        lambda: says(sources, "from-an-image", "ImageVolumeUnsupported", "from 2.1 on"),
        READY_SECONDS,
        lambda: str(condition(sources, "from-an-image")),
    )
    assert condition(sources, "from-an-image", "Stalled")["status"] == "True"


def test_what_the_pod_has_is_what_the_fetch_needs(cluster: Cluster, sources: Stores) -> None:
    """Progress in its log; nothing secret there, nor where the runtime could see it."""
    cluster.wait_ready(sources.namespace, "over-tls", READY_SECONDS)
    here = ("-n", sources.namespace)
    log = cluster.kubectl(*here, "logs", "-l", "modelserver.dev/name=over-tls", "-c", "fetch")
    events = [json.loads(line) for line in log.stdout.splitlines() if line.startswith("{")]
    said = [event["event"] for event in events]
    assert [event for event in said if event not in ("trying again", "fetching")] == [
        "fetched",
        "verified",
    ]
    assert "a-password-of-ours" not in log.stdout
    look = "import os; print(os.path.isdir('/etc/modelserver'), os.access('/model', os.W_OK))"
    seen = cluster.kubectl(*here, "exec", "deployment/over-tls", "--", "python", "-c", look)
    assert seen.stdout.split() == ["False", "False"]


def test_a_new_digest_rolls_and_other_bytes_do_not(cluster: Cluster, sources: Stores) -> None:
    """
    Under load: to another artifact, and then to a template whose source has other bytes by now.

    The pods of before answer until the new ones do, and go on where those never will.
    """
    namespace, name, digest = sources.namespace, "rolled", artifacts.digest(OTHER)
    cluster.apply(namespace, server(name, http("first.tar"), replicas=2))
    cluster.wait_ready(namespace, name, READY_SECONDS)
    with under_load(cluster, namespace, name) as load:
        cluster.apply(namespace, server(name, http("second.tar", digest), replicas=2))
        cluster.wait_ready(namespace, name, READY_SECONDS)
        live = cluster.get(namespace, "modelserver", name) or {}
        assert live["status"]["model"]["digest"] == digest
        before = ready(cluster, namespace, name)

        sources.upload({"second.tar": FILES["first.tar"]})
        changed = server(
            name, http("second.tar", digest), replicas=2, server={"logLevel": "WARNING"}
        )
        cluster.apply(namespace, changed)
        words = f"has digest {DIGEST}, but {digest} is pinned"
        eventually(
            lambda: says(sources, name, "DigestMismatch", words),
            READY_SECONDS,
            lambda: str(condition(sources, name)),
        )
        assert condition(sources, name, "Available")["status"] == "True"
        assert ready(cluster, namespace, name) == before
    assert load.failed == {}, load.counts
    assert load.answered >= ENOUGH


def test_a_pod_that_is_replaced_says_that_the_source_has_changed(
    cluster: Cluster, sources: Stores
) -> None:
    """A lost pod of the old digest cannot come back: the digest is what was promised."""
    namespace, name = sources.namespace, "archive-in-a-bucket"
    cluster.wait_ready(namespace, name, READY_SECONDS)
    sources.put({"archives/good.tar.gz": tar(OTHER, kind="gz")})
    cluster.kubectl("-n", namespace, "delete", "pod", "-l", f"modelserver.dev/name={name}")
    words = f"has digest {artifacts.digest(OTHER)}, but {DIGEST} is pinned"
    eventually(
        lambda: says(sources, name, "DigestMismatch", words),
        READY_SECONDS,
        lambda: str(condition(sources, name)),
    )
    sources.put({"archives/good.tar.gz": OBJECTS["archives/good.tar.gz"]})
    cluster.wait_ready(namespace, name, READY_SECONDS)


def ready(cluster: Cluster, namespace: str, name: str) -> set[str]:
    """Tell the pods that answer apart."""
    pods = cluster.listing(namespace, "pods", f"modelserver.dev/name={name}")
    return {pod["metadata"]["uid"] for pod in pods if is_ready(pod)}
