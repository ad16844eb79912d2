"""The demo: applies the example, waits for it, and compares one prediction with scikit-learn's."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.datasets import load_breast_cancer

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "breast-cancer.yaml"
NAME = "breast-cancer"
WAIT_SECONDS = 120


def main() -> int:
    """Run the demo; exit status 0 only if both answers agree."""
    kubectl("apply", "-f", str(EXAMPLE))
    wait_until_ready()
    row = load_breast_cancer().data[0]
    with service_port() as port:
        answer = predict(port, row)
    model = joblib.load(ROOT / "artifacts" / "model" / "model.joblib")
    expected = model.predict_proba(row.reshape(1, -1))[0]
    print("\nPOST /predict through the Service: HTTP 200")
    print(f"    the pod answered      {answer['prediction']}  {answer['probability']}")
    print(f"    scikit-learn answers  {int(expected.argmax())}  {expected.tolist()}")
    same = np.allclose(answer["probability"], expected, rtol=0, atol=1e-12)
    print("    equal to 1e-12\n" if same else "    THEY DIFFER\n")
    print(kubectl("get", "modelservers"))
    print(next_steps())
    return 0 if same else 1


def wait_until_ready() -> None:
    """Wait, telling each change of what the status says."""
    said, deadline = "", time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        ready = condition("Ready")
        words = f"{ready.get('reason', 'Unknown')}: {ready.get('message', 'no status yet')}"
        if words != said:
            print(f"    {words}", flush=True)
            said = words
        if ready.get("status") == "True":
            return
        time.sleep(0.5)
    sys.exit(f"{NAME} was not Ready within {WAIT_SECONDS} s: kubectl describe modelserver {NAME}")


def condition(kind: str) -> dict[str, Any]:
    """Read one condition of the demo's ModelServer; empty before the first status."""
    server = json.loads(kubectl("get", "modelserver", NAME, "-o", "json"))
    found = [c for c in server.get("status", {}).get("conditions", []) if c["type"] == kind]
    current = [c for c in found if c["observedGeneration"] == server["metadata"]["generation"]]
    return current[0] if current else {}


@contextlib.contextmanager
def service_port() -> Iterator[int]:
    """Forward a free local port to the Service while the block runs."""
    command = ["kubectl", "port-forward", f"service/{NAME}", ":80", "--address", "127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forward:
        try:
            line = forward.stdout.readline() if forward.stdout else ""
            yield int(re.search(r":(\d+) ->", line)[1])  # type: ignore[index]
        finally:
            forward.terminate()


def predict(port: int, row: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Ask for one prediction; raises on any status but 2xx."""
    body = {f"feature_{i}": value for i, value in enumerate(row.tolist(), start=1)}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/predict",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


def kubectl(*arguments: str) -> str:
    """Run kubectl and return what it printed."""
    done = subprocess.run(["kubectl", *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def next_steps() -> str:
    """Say what to try next."""
    run = "tests/cluster/kind/run.sh kubectl"
    return f"""Try next (each line as it stands):
    {run} scale modelserver/{NAME} --replicas=3
    {run} get modelserver {NAME} -o wide --watch
    {run} patch modelserver {NAME} --type merge -p '{{"spec": {{"suspend": true}}}}'
    {run} delete deployment {NAME}        # and watch it come back
    {run} port-forward service/{NAME} 8000:80   # then open http://127.0.0.1:8000/docs
    make demo-down"""


if __name__ == "__main__":
    sys.exit(main())
