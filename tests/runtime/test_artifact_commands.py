"""`modelserver` on an artifact that exists: verify, inspect, digest, serve, manifest."""

import base64
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from modelserver_runtime import __version__, errors
from modelserver_runtime.artifact import Histogram, Manifest, open_artifact
from modelserver_runtime.commands.bars import bars
from modelserver_runtime.commands.exit_codes import EXIT_CODES
from modelserver_runtime.commands.serve import request, row_of
from runtime.command import modelserver
from runtime.process import BUNDLED, ROOT
from runtime.programs import free_port

DIGEST = "sha256:" + hashlib.sha256((BUNDLED / "manifest.json").read_bytes()).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the bundled artifact that a test may break."""
    shutil.copytree(BUNDLED, tmp_path / "artifact")
    return tmp_path / "artifact"


def changed(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Write another manifest."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def every_load_error(kind: type = errors.LoadError) -> set[str]:
    """The reasons for which a model is not served."""
    below = {name for one in kind.__subclasses__() for name in every_load_error(one)}
    return below | {one.__name__ for one in kind.__subclasses__()}


def test_every_reason_has_an_exit_code_of_its_own() -> None:
    """Stable, above those of the shell's own failures and below those of signals."""
    assert set(EXIT_CODES) == every_load_error()
    assert len({*EXIT_CODES.values()}) == len(EXIT_CODES)
    assert all(80 <= code < 126 for code in EXIT_CODES.values())


def test_help_lists_commands_and_exit_codes() -> None:
    """For people, without an import of scikit-learn."""
    program = "import sys\nfrom modelserver_runtime.commands import main\nmain(['--help'])\n"
    program += "assert not {'sklearn', 'pandas', 'skops', 'boto3'} & {*sys.modules}\n"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    for word in ("pack", "verify", "inspect", "digest", "serve", "manifest", "86 GoldenMismatch"):
        assert word in " ".join(done.stdout.split())
    assert modelserver("verify", "--help").out.count("DigestMismatch") == 1
    assert modelserver("--version").out == f"{__version__}\n"
    assert modelserver("unpack").code == 2
    as_module = [sys.executable, "-m", "modelserver_runtime.commands", "digest", str(BUNDLED)]
    assert (
        subprocess.run(as_module, capture_output=True, text=True, check=True).stdout
        == f"{DIGEST}\n"
    )


def test_verify_goes_all_the_way(folder: Path) -> None:
    """A tick for each step, for people and for programs."""
    done = modelserver("verify", folder, "--digest", DIGEST)
    assert (done.code, done.err) == (0, "")
    lines = [line.split() for line in done.out.splitlines()]
    assert [words[1] for words in lines if words[:1] == ["✓"]] == [
        *("manifest", "files", "signature", "model", "examples", "engine")
    ]
    done = modelserver("verify", folder, "--json")
    report = json.loads(done.out)
    assert (report["digest"], report["verified"], report["reason"]) == (DIGEST, True, None)
    assert [step["passed"] for step in report["steps"]] == [True] * 6
    assert report["steps"][5]["says"].startswith("linear-folded: agrees with scikit-learn on")


def swap_columns(manifest: dict[str, Any]) -> None:
    for row in manifest["golden"]["rows"]:
        row[0], row[1] = row[1], row[0]


def forget_a_class(manifest: dict[str, Any]) -> None:
    manifest["classes"].pop()


def only_joblib(manifest: dict[str, Any]) -> None:
    manifest["files"] = [f for f in manifest["files"] if f.get("format") != "skops"]


def no_manifest(manifest: dict[str, Any]) -> None:
    manifest.pop("signature")


def flip(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)

    return change


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def with_manifest(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    return lambda folder: changed(folder, change)


@pytest.mark.parametrize(
    ("damage", "options", "stopped", "said"),
    [
        pytest.param(
            lambda _: None,
            ("--digest", "sha256:" + "0" * 64),
            ("manifest", "DigestMismatch"),
            "is pinned",
            id="another digest",
        ),
        pytest.param(
            flip("model.skops"), (), ("files", "DigestMismatch"), "model.skops", id="a bit"
        ),
        pytest.param(
            flip("MLmodel"), (), ("files", "DigestMismatch"), "MLmodel", id="a bit of another"
        ),
        pytest.param(
            remove("conda.yaml"), (), ("files", "ModelNotFound"), "conda.yaml", id="a file less"
        ),
        pytest.param(
            remove("manifest.json"),
            (),
            ("manifest", "ModelNotFound"),
            "modelserver pack",
            id="no manifest",
        ),
        pytest.param(
            with_manifest(no_manifest),
            (),
            ("manifest", "ModelLoadFailed"),
            "signature",
            id="no signature",
        ),
        pytest.param(
            with_manifest(only_joblib), (), ("model", "UnsafeFormat"), "joblib", id="only joblib"
        ),
        pytest.param(
            with_manifest(only_joblib),
            ("--formats", "joblib"),
            ("model", "UnsafeFormat"),
            "is pinned",
            id="joblib that is not pinned",
        ),
        pytest.param(
            with_manifest(forget_a_class),
            (),
            ("model", "ModelLoadFailed"),
            "classes",
            id="a class less",
        ),
        pytest.param(
            with_manifest(swap_columns),
            (),
            ("examples", "GoldenMismatch"),
            "golden",
            id="swapped columns",
        ),
        pytest.param(
            with_manifest(lambda m: m["framework_versions"].update({"scikit-learn": "1.1.0"})),
            ("--strict",),
            ("model", "VersionMismatch"),
            "1.1.0",
            id="another scikit-learn",
        ),
    ],
)
def test_verify_stops_where_a_pod_would(
    folder: Path,
    damage: Callable[[Path], None],
    options: tuple[str, ...],
    stopped: tuple[str, str],
    said: str,
) -> None:
    """With the step, the reason, one sentence, and an exit code for the reason."""
    step, reason = stopped
    damage(folder)
    done = modelserver("verify", folder, *options, "--json")
    report = json.loads(done.out)
    assert done.code == EXIT_CODES[reason]
    assert (report["verified"], report["reason"]) == (False, reason)
    failed = [one["name"] for one in report["steps"] if one["passed"] is False]
    assert failed == [step]
    assert said in report["message"]
    assert f"modelserver: {reason}: {report['message']}\n" == done.err
    shown = modelserver("verify", folder, *options)
    assert shown.code == done.code
    assert re.search(rf"✗ +{step}", shown.out)


def test_another_scikit_learn_is_only_said_without_strict(folder: Path) -> None:
    """Skops files of another version usually load; the examples decide."""
    changed(folder, lambda m: m["framework_versions"].update({"scikit-learn": "1.1.0"}))
    done = modelserver("verify", folder)
    assert done.code == 0
    assert "made by scikit-learn 1.1.0" in done.err


@pytest.mark.parametrize("command", ["verify", "inspect", "digest", "serve", "manifest"])
def test_a_folder_that_is_no_artifact(tmp_path: Path, command: str) -> None:
    """Every command says the same."""
    for place, said in (
        (tmp_path / "no", "does not exist"),
        (tmp_path, "modelserver pack MODEL -o FOLDER"),
        (BUNDLED / "model.skops", "is a file: name the folder"),
    ):
        done = modelserver(command, place)
        assert done.code == EXIT_CODES["ModelNotFound"]
        assert said in done.err
        assert "Traceback" not in done.err
    done = modelserver(command)
    assert done.code == 2
    assert "Missing argument" in done.err


def test_a_setting_that_does_not_fit(folder: Path) -> None:
    """The runtime's own sentence."""
    done = modelserver("verify", folder, "--digest", "sha256:1")
    assert done.code == 64
    assert "MODELSERVER_MODEL_DIGEST" in done.err
    assert modelserver("verify", folder, "--formats", "pickle").code == 64


def test_inspect_shows_what_is_in_it(folder: Path) -> None:
    """For people: names, ranges as bars, classes, versions, files, engine."""
    done = modelserver("inspect", folder)
    assert done.code == 0
    for word in (
        "mean radius",
        "malignant",
        "linear-folded",
        "model.skops",
        "scikit-learn",
        DIGEST,
    ):
        assert word in done.out
    assert len(re.findall("[▁▂▃▄▅▆▇█ ]{24}", done.out)) >= 30


def test_inspect_for_programs(folder: Path) -> None:
    """The manifest, the digest, and what a pod would make of it."""
    report = json.loads(modelserver("inspect", folder, "--json").out)
    assert report["digest"] == DIGEST
    assert report["engine"]["name"] == "linear-folded"
    assert Manifest(**report["manifest"]) == open_artifact(folder, pinned=None).manifest
    assert report["bytes"] == sum(f["size"] for f in report["manifest"]["files"])


def test_inspect_runs_no_pickle(folder: Path, tmp_path: Path) -> None:
    """What it would answer with is then unknown, and a broken model is said to be one."""
    payload = f"cposix\nsystem\n(Vtouch {tmp_path / 'ran'}\ntR.".encode()
    (folder / "model.joblib").write_bytes(payload)

    def only_the_payload(manifest: dict[str, Any]) -> None:
        sha256 = hashlib.sha256(payload).hexdigest()
        manifest["files"] = [
            {"path": "model.joblib", "format": "joblib", "sha256": sha256, "size": len(payload)}
        ]

    changed(folder, only_the_payload)
    report = json.loads(modelserver("inspect", folder, "--json").out)
    assert report["engine"] == {
        "name": None,
        "reason": "not loaded: the only model file can run any code",
    }
    assert not (tmp_path / "ran").exists()
    shutil.copytree(BUNDLED, folder, dirs_exist_ok=True)
    flip("model.skops")(folder)
    report = json.loads(modelserver("inspect", folder, "--json").out)
    assert "DigestMismatch" in report["engine"]["reason"]


def test_bars_show_where_values_are_dense() -> None:
    """Not how many a bin has: all bins have the same."""
    assert bars(Histogram(edges=(0, 1, 9), counts=(4, 4)), 9) == "█▁▁▁▁▁▁▁▁"
    assert bars(Histogram(edges=(0, 1, 2, 3), counts=(5, 0, 5)), 3) == "█ █"
    assert bars(Histogram(edges=(7, 7), counts=(3,)), 9) == "█"
    assert bars(Histogram(edges=(), counts=()), 9) == ""


def test_serve_prints_a_request_that_can_be_pasted(folder: Path) -> None:
    """The runtime answers it; Ctrl-C ends it; the settings of the person are kept."""
    port = free_port()
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "server"),
        "MODELSERVER_MODEL_NAME": "mine",
    }
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "modelserver_runtime.commands",
            "serve",
            folder,
            "--port",
            str(port),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
    )
    assert process.stdout is not None
    try:
        first, _, line = (process.stdout.readline() for _ in range(3))
        assert f"breast-cancer 1.0.0 on http://127.0.0.1:{port}" in first
        command = [*shlex.split(line), "--fail", "--retry", "50", "--retry-delay", "1"]
        asked = subprocess.run(
            [*command, "--retry-all-errors"], capture_output=True, text=True, check=True, timeout=90
        )
        golden = json.loads((folder / "manifest.json").read_text())["golden"]
        assert json.loads(asked.stdout)["prediction"] == golden["predictions"][0]
        metadata = httpx.get(f"http://127.0.0.1:{port}/model/metadata").json()
        assert (metadata["name"], metadata["digest"]) == ("mine", DIGEST)
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err


def test_serve_ends_with_the_runtimes_code_where_the_model_is_wrong(folder: Path) -> None:
    """It does not stay up with nothing to say."""
    flip("model.skops")(folder)
    done = subprocess.run(
        [sys.executable, "-m", "modelserver_runtime.commands", "serve", folder, "--port", "0"],
        capture_output=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "server")},
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 78
    assert "DigestMismatch" in done.stderr


def test_a_config_map_has_every_file_that_the_manifest_pins(folder: Path) -> None:
    """And nothing else that lies in the folder."""
    (folder / "notes.txt").write_text("not of the artifact")
    config_map, server = yaml.safe_load_all(modelserver("manifest", folder).out)
    assert server["spec"]["model"]["digest"] == DIGEST
    assert server["spec"]["model"]["source"]["configMap"]["name"] == config_map["metadata"]["name"]
    content = {key: base64.b64decode(text) for key, text in config_map["binaryData"].items()}
    assert content == {path.name: path.read_bytes() for path in BUNDLED.iterdir()}
    assert config_map["immutable"] is True


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(("--source", "floppy:a"), "'floppy:a' is no source", id="no kind"),
        pytest.param(("--source", "pvc"), "'pvc' is no source", id="no place"),
        pytest.param(("--source", "s3://models"), "write s3://BUCKET/KEY", id="no key"),
        pytest.param(
            ("--source", "https://a.test/b.tgz", "--endpoint", "https://s3.test"),
            "--endpoint is about a --source s3://BUCKET/KEY, and",
            id="an endpoint of no bucket",
        ),
        pytest.param(
            ("--credentials", "store"),
            "--credentials is about a --source https://HOST/ARCHIVE or s3://BUCKET/KEY",
            id="credentials for nothing fetched",
        ),
        pytest.param(
            ("--source", "s3://a/b/", "--endpoint", "https://s3.test/a"),
            "without a path",
            id="a path",
        ),
        pytest.param(
            ("--source", "s3://a/b/", "--ca", "ours"), "write CONFIGMAP/KEY", id="no key of a CA"
        ),
        pytest.param(
            ("--source", "s3://a/b/", "--max-bytes", "68719476737"),
            "less than or equal to 68719476736",
            id="more than a node has",
        ),
        pytest.param(
            ("--source", "https://a.test/b.tgz", "--timeout-seconds", "0"),
            "greater than or equal to 1",
            id="no time",
        ),
        pytest.param(
            ("--source", "pvc:models", "--max-bytes", "2048"),
            "--max-bytes is about a --source https://HOST/ARCHIVE or s3://BUCKET/KEY",
            id="a limit for nothing fetched",
        ),
        pytest.param(("--signature-key", "Keys/a.pub"), "write CONFIGMAP/KEY", id="no ConfigMap"),
        pytest.param(("--name", "Iris"), "--name", id="capital letters"),
        pytest.param(("--name", "7up"), "beginning with a letter", id="a digit"),
        pytest.param(("--replicas", "-1"), "greater than or equal to 0", id="fewer than none"),
    ],
)
def test_a_manifest_that_cannot_be(folder: Path, options: tuple[str, ...], said: str) -> None:
    """Refused here, not by the cluster."""
    done = modelserver("manifest", folder, *options)
    assert done.code == 2
    assert said in done.said


def test_a_model_that_is_too_large_or_nested_for_a_config_map(folder: Path) -> None:
    """The sentence names the way out."""
    big = os.urandom(1024 * 1024)
    (folder / "big.bin").write_bytes(big)
    entry = {"path": "big.bin", "sha256": hashlib.sha256(big).hexdigest(), "size": len(big)}
    changed(folder, lambda m: m["files"].append(entry))
    done = modelserver("manifest", folder)
    assert done.code == 2
    assert "--source pvc:CLAIM/FOLDER" in done.said
    assert modelserver("manifest", folder, "--source", "pvc:models/cancer").code == 0
    changed(folder, lambda m: m["files"][-1].update(path="data/big.bin"))
    assert "no folders" in modelserver("manifest", folder).said


def test_an_artifact_that_has_only_a_pickle(tmp_path: Path) -> None:
    """It is loaded where somebody asks for that and pins it; its ModelServer says both."""
    model = BUNDLED / "model.joblib"
    made = modelserver("pack", model, "--trust", "--format", "joblib", "-o", tmp_path / "only")
    assert made.code == 0, made.err
    digest = modelserver("digest", tmp_path / "only").out.strip()
    formats = ("--formats", "joblib")
    assert modelserver("verify", tmp_path / "only").code == EXIT_CODES["UnsafeFormat"]
    assert modelserver("verify", tmp_path / "only", *formats).code == EXIT_CODES["UnsafeFormat"]
    assert modelserver("verify", tmp_path / "only", *formats, "--digest", digest).code == 0
    printed = modelserver("manifest", tmp_path / "only", "--source", "pvc:models/only")
    spec = yaml.safe_load(printed.out)["spec"]
    assert (spec["model"]["formats"], spec["model"]["digest"]) == (["joblib"], digest)


def test_an_artifact_cannot_write_on_the_terminal(folder: Path) -> None:
    """Escape sequences, carriage returns and turned text are shown, and not obeyed."""
    evil = "\x1b]0;gone\x07\x1b[2J\rall is well\x9b1m\u202e"

    def change(manifest: dict[str, Any]) -> None:
        manifest["description"] = manifest["version"] = evil
        manifest["classes"][0]["name"] = evil
        manifest["framework_versions"] = {evil: evil, "scikit-learn": evil}
        manifest["metrics"] = {evil: 1.0}
        feature = manifest["signature"]["features"][0]
        feature |= {"title": evil, "name": evil}

    changed(folder, change)
    for command in (["inspect"], ["verify"], ["manifest"], ["verify", "--strict"]):
        done = modelserver(*command, folder)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", done.out + done.err), command
    assert "\\u001b" in modelserver("inspect", folder).out
    artifact = open_artifact(folder, pinned=None)
    [*_, option, body] = shlex.split(request(artifact, "http://127.0.0.1"))
    assert (option, json.loads(body)) == ("-d", row_of(artifact))


def test_a_name_as_long_as_it_may_be_is_longer_where_it_is_written_out(folder: Path) -> None:
    """And a path has a backslash then, which no path of an artifact may."""
    long, path = "\x1b" * 256, "notes\x1b[2J"

    def change(manifest: dict[str, Any]) -> None:
        manifest["signature"]["features"][0]["name"] = long
        manifest["files"].append({"path": path, "sha256": "0" * 64, "size": 0})

    changed(folder, change)
    done = modelserver("inspect", folder)
    assert done.code == 0, done.err
    shown = done.out.replace("\n", "").replace(" ", "")
    assert "notes\\u001b[2J" in shown
    for command in ("inspect", "verify", "manifest"):
        done = modelserver(command, folder)
        assert "\x1b" not in done.out + done.err, command
