"""What must hold before a model is served, and how its failure is told."""

import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import skops.io
from sklearn import __version__ as sklearn_version
from sklearn.ensemble import RandomForestClassifier

from modelserver_runtime import errors
from modelserver_runtime.loading import load
from modelserver_runtime.packing import Description, pack
from modelserver_runtime.settings import from_environment
from runtime.process import BUNDLED, running


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """A copy of the bundled artifact that a test may spoil."""
    return Path(shutil.copytree(BUNDLED, tmp_path / "model"))


def load_from(path: Path, **settings: str) -> Any:
    """Load with *settings*, named without their prefix."""
    environ = {f"MODELSERVER_{name.upper()}": value for name, value in settings.items()}
    return load(from_environment(environ | {"MODEL_PATH": str(path)}))


def edit_manifest(artifact: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest of *artifact*, as one who also repins it could."""
    path = artifact / "manifest.json"
    manifest = json.loads(path.read_text())
    edit(manifest)
    path.write_text(json.dumps(manifest))


def repin(artifact: Path, name: str) -> None:
    """Make the manifest agree with the bytes of the file called *name*."""
    content = (artifact / name).read_bytes()

    def edit(manifest: dict[str, Any]) -> None:
        entry = next(f for f in manifest["files"] if f["path"] == name)
        entry |= {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}

    edit_manifest(artifact, edit)


def digest_of(artifact: Path) -> str:
    """The artifact's digest."""
    return "sha256:" + hashlib.sha256((artifact / "manifest.json").read_bytes()).hexdigest()


def test_the_bundled_artifact_is_what_its_manifest_says() -> None:
    """Also with its digest and version pinned."""
    model = load_from(BUNDLED, model_digest=digest_of(BUNDLED), model_version="1.0.0")
    assert (model.name, model.version, model.format) == ("breast-cancer", "1.0.0", "skops")


def test_another_digest_is_refused_with_both(artifact: Path) -> None:
    """The person on call sees what is there and what was pinned."""
    wrong = "sha256:" + "0" * 64
    with pytest.raises(errors.DigestMismatch) as refused:
        load_from(artifact, model_digest=wrong)
    assert wrong in str(refused.value)
    assert digest_of(artifact) in str(refused.value)


@pytest.mark.parametrize("name", ["model.skops", "model.joblib", "MLmodel", "requirements.txt"])
def test_one_changed_byte_is_refused(artifact: Path, name: str) -> None:
    """Of any file the manifest lists, loaded or not."""
    path = artifact / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(errors.DigestMismatch, match=name):
        load_from(artifact)


@pytest.mark.parametrize("change", [b"", b"more"])
def test_a_truncated_or_longer_file_is_refused(artifact: Path, change: bytes) -> None:
    """Size is part of what is pinned."""
    path = artifact / "model.skops"
    path.write_bytes(path.read_bytes() + change if change else path.read_bytes()[:-10])
    with pytest.raises(errors.DigestMismatch):
        load_from(artifact)


def test_another_version_is_refused(artifact: Path) -> None:
    """Both are named."""
    with pytest.raises(errors.VersionMismatch, match=r"1\.0\.0.*2\.0\.0"):
        load_from(artifact, model_version="2.0.0")


@pytest.mark.parametrize(
    ("format_", "settings", "is_loaded"),
    [
        pytest.param("joblib", {}, False, id="a pickle may answer nonsense"),
        pytest.param("joblib", {"version_mismatch": "warn"}, True, id="joblib, if told to"),
        pytest.param("skops", {}, True, id="skops would notice"),
        pytest.param("skops", {"version_mismatch": "refuse"}, False, id="skops, unless told not"),
    ],
)
def test_a_model_of_another_scikit_learn(
    artifact: Path, format_: str, settings: dict[str, str], *, is_loaded: bool
) -> None:
    """Its inside is laid out for that version; both versions are named."""
    edit_manifest(artifact, lambda m: m["framework_versions"].update({"scikit-learn": "1.2.0"}))
    pinned = {"model_formats": format_, "model_digest": digest_of(artifact)}
    if is_loaded:
        assert load_from(artifact, **pinned, **settings).format == format_
        return
    with pytest.raises(errors.VersionMismatch, match=rf"{format_}.*1\.2\.0.*{sklearn_version}"):
        load_from(artifact, **pinned, **settings)


def test_a_patch_of_scikit_learn_is_no_other_version(artifact: Path) -> None:
    """Its estimators are laid out alike."""
    minor = ".".join(sklearn_version.split(".")[:2])
    edit_manifest(
        artifact, lambda m: m["framework_versions"].update({"scikit-learn": f"{minor}.99"})
    )
    assert load_from(artifact, version_mismatch="refuse").format == "skops"


def test_joblib_is_loaded_only_when_named_and_pinned() -> None:
    """Not by default, not without a digest; the file's own name in MODEL_PATH allows it too."""
    with pytest.raises(errors.UnsafeFormat, match="pin sha256:"):
        load_from(BUNDLED, model_formats="joblib")
    pinned = load_from(BUNDLED, model_formats="joblib", model_digest=digest_of(BUNDLED))
    assert pinned.format == "joblib"
    assert load_from(BUNDLED / "model.joblib").format == "joblib"


def test_a_lone_joblib_file_needs_a_switch(tmp_path: Path) -> None:
    """The message says how to pin it."""
    path = Path(shutil.copy(BUNDLED / "model.joblib", tmp_path))
    with pytest.raises(errors.UnsafeFormat, match="modelserver pack"):
        load_from(path)
    model = load_from(path, trust_unpinned_joblib="true")
    assert model.manifest.signature.names[:2] == ("feature_1", "feature_2")


def test_no_allowed_format_names_what_is_there(artifact: Path) -> None:
    """An artifact with only joblib is not loaded as anything else."""
    edit_manifest(artifact, lambda m: m["files"].pop(0))
    with pytest.raises(errors.UnsafeFormat, match=r"has joblib.*allowed are skops, onnx"):
        load_from(artifact)


class _Touch:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_skops_file_with_a_foreign_type_runs_nothing(artifact: Path, tmp_path: Path) -> None:
    """Even when the manifest was repinned to it."""
    proof = tmp_path / "executed"
    (artifact / "model.skops").write_bytes(skops.io.dumps(_Touch(proof)))
    repin(artifact, "model.skops")
    with pytest.raises(errors.UnsafeFormat):
        load_from(artifact)
    assert not proof.exists()


def test_a_pickle_called_skops_runs_nothing(artifact: Path, tmp_path: Path) -> None:
    """It is no zip, and nobody tries anything else with it."""
    proof = tmp_path / "executed"
    (artifact / "model.skops").write_bytes(pickle.dumps(_Touch(proof)))
    repin(artifact, "model.skops")
    with pytest.raises(errors.ModelLoadFailed):
        load_from(artifact)
    assert not proof.exists()


def test_an_unpinned_joblib_runs_nothing(tmp_path: Path) -> None:
    """Refused before a byte of it is parsed."""
    proof = tmp_path / "executed"
    joblib.dump(_Touch(proof), tmp_path / "model.joblib")
    with pytest.raises(errors.UnsafeFormat):
        load_from(tmp_path / "model.joblib")
    assert not proof.exists()


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../outside"])
def test_a_manifest_that_leaves_its_folder_is_refused(artifact: Path, path: str) -> None:
    """By its words."""
    edit_manifest(artifact, lambda m: m["files"][0].update(path=path))
    with pytest.raises(errors.ModelLoadFailed, match="leaves the artifact's folder"):
        load_from(artifact)


def test_links_are_followed_inside_the_folder_only(artifact: Path, tmp_path: Path) -> None:
    """A ConfigMap's volume is links; one that leads out is refused."""
    (artifact / "model.skops").rename(artifact / "inside")
    (artifact / "model.skops").symlink_to("inside")
    assert load_from(artifact).format == "skops"
    (artifact / "inside").rename(tmp_path / "outside")
    (artifact / "model.skops").unlink()
    (artifact / "model.skops").symlink_to(tmp_path / "outside")
    with pytest.raises(errors.ModelLoadFailed, match="leads out"):
        load_from(artifact)


def test_a_pipe_in_the_folder_does_not_hold_the_start(artifact: Path) -> None:
    """Opening it would wait for a writer for ever."""
    (artifact / "model.skops").unlink()
    os.mkfifo(artifact / "model.skops")
    with pytest.raises(errors.LoadError):
        load_from(artifact)


def test_an_answer_unlike_the_recorded_one_is_refused(artifact: Path) -> None:
    """The golden examples catch a model that computes something else here."""
    edit_manifest(artifact, lambda m: m["golden"]["predictions"].__setitem__(0, 7))
    with pytest.raises(errors.GoldenMismatch, match=r"1 of 12 .* number 1: prediction 7 was"):
        load_from(artifact)


def test_a_recorded_row_that_the_model_cannot_take_is_refused(tmp_path: Path) -> None:
    """A forest computes in float32: where such a value came from a client, it would be a 400."""
    rows = np.arange(30.0).reshape(10, 3)
    forest = RandomForestClassifier(3, random_state=0).fit(rows, [0, 1] * 5)
    pack(forest, rows, tmp_path, Description(name="m"))
    edit_manifest(tmp_path, lambda m: m["golden"]["rows"][0].__setitem__(0, 1e300))
    with (
        np.errstate(over="ignore"),
        pytest.raises(errors.ModelLoadFailed, match="too large for this model"),
    ):
        load_from(tmp_path)


def test_a_signature_of_another_width_is_refused(artifact: Path) -> None:
    """Model and manifest must speak of the same columns and classes."""

    def narrow(manifest: dict[str, Any]) -> None:
        manifest["signature"]["features"].pop()
        for row in manifest["golden"]["rows"]:
            row.pop()

    edit_manifest(artifact, narrow)
    with pytest.raises(errors.ModelLoadFailed, match=r"30 features.*describes 29"):
        load_from(artifact)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"schema_version": 2}'])
def test_what_is_no_manifest_is_refused(artifact: Path, content: bytes) -> None:
    """With the field that is wrong."""
    (artifact / "manifest.json").write_bytes(content)
    with pytest.raises(errors.ModelLoadFailed, match="no manifest"):
        load_from(artifact)


def test_a_failed_load_ends_the_process_and_says_why(artifact: Path, tmp_path: Path) -> None:
    """Exit code 78 and one JSON line for the kubelet."""
    log = tmp_path / "termination-log"
    wrong = "sha256:" + "0" * 64
    with running(
        model_path=str(artifact),
        model_digest=wrong,
        on_load_failure="exit",
        termination_log=str(log),
    ) as process:
        assert process.wait() == 78
        said = json.loads(log.read_text())
        assert said["reason"] == "DigestMismatch"
        assert wrong in said["message"]
        assert said in process.events()
