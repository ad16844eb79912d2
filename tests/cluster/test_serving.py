"""From `kubectl apply` to answers that equal scikit-learn's."""

import json
from pathlib import Path

import joblib
import numpy as np
import pytest
from cluster_access import Cluster, eventually, model_server, post
from sklearn.datasets import load_breast_cancer

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).resolve().parents[2]
ARTIFACT = ROOT / "artifacts" / "model"


def test_the_example_is_ready_within_a_minute(cluster: Cluster, namespace: str) -> None:
    """An applied example serves in at most 60 seconds, a Service called `api` beside it or not."""
    api = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "api"},
        "spec": {"ports": [{"port": 8000}]},
    }
    cluster.apply(namespace, api)
    cluster.kubectl("-n", namespace, "apply", "-f", str(ROOT / "examples" / "breast-cancer.yaml"))
    assert cluster.wait_ready(namespace, "breast-cancer") <= 60
    server = cluster.get(namespace, "modelserver", "breast-cancer")
    assert server is not None
    assert server["status"]["url"] == f"http://breast-cancer.{namespace}.svc:80"
    assert server["status"]["readyReplicas"] == 2


def test_the_service_answers_as_scikit_learn_does(cluster: Cluster, served: str) -> None:
    """All 569 rows of the data set, to 1e-12."""
    rows = load_breast_cancer().data
    expected = joblib.load(ARTIFACT / "model.joblib").predict_proba(rows)
    records = [
        {f"feature_{i}": value for i, value in enumerate(row, start=1)} for row in rows.tolist()
    ]
    with cluster.forward(served, "service/breast-cancer") as url:
        status, answer = post(f"{url}/batch-predict", {"records": records})
        one_status, one = post(f"{url}/predict", records[0])
    assert (status, answer["count"], one_status) == (200, 569, 200)
    got = np.array([p["probability"] for p in answer["predictions"]])
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)
    assert [p["prediction"] for p in answer["predictions"]] == expected.argmax(axis=1).tolist()
    np.testing.assert_allclose(one["probability"], expected[0], rtol=0, atol=1e-12)


def test_a_faulty_request_is_the_clients_mistake(cluster: Cluster, served: str) -> None:
    """Nothing a client sends to the Service is answered 5xx."""
    good = {f"feature_{i}": 1.0 for i in range(1, 31)}
    faulty = [{}, good | {"feature_31": 1.0}, good | {"feature_1": "17.99"}, [], None, 3]
    with cluster.forward(served, "service/breast-cancer") as url:
        answers = [post(f"{url}/predict", body) for body in faulty]
    assert [status for status, _ in answers] == [400] * len(faulty)
    assert all({"error", "details", "timestamp"} <= answer.keys() for _, answer in answers)


def test_a_wrong_digest_never_serves_and_the_old_pods_go_on(
    cluster: Cluster, namespace: str
) -> None:
    """The condition names both digests; what served before keeps serving."""
    right = "sha256:" + cluster.run("sha256sum", str(ARTIFACT / "manifest.json")).split()[0]
    wrong = "sha256:" + "0" * 64
    server = model_server("pinned", replicas=1)
    server["spec"]["model"]["digest"] = right
    cluster.apply(namespace, server)
    cluster.wait_ready(namespace, "pinned")
    server["spec"]["model"]["digest"] = wrong
    cluster.apply(namespace, server)
    eventually(
        lambda: cluster.condition(namespace, "pinned", "Ready").get("reason") == "DigestMismatch",
        60,
        lambda: json.dumps(cluster.condition(namespace, "pinned", "Ready")),
    )
    message = cluster.condition(namespace, "pinned", "Ready")["message"]
    assert right in message
    assert wrong in message
    assert cluster.condition(namespace, "pinned", "Stalled")["reason"] == "DigestMismatch"
    assert cluster.condition(namespace, "pinned", "Available")["status"] == "True"
    with cluster.forward(namespace, "service/pinned") as url:
        status, _ = post(f"{url}/predict", {f"feature_{i}": 1.0 for i in range(1, 31)})
    assert status == 200
