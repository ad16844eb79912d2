"""Only what somebody signed whose key we have is loaded, where a key is given."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import joblib
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from modelserver_runtime.commands.exit_codes import EXIT_CODES
from modelserver_runtime.errors import SignatureInvalid
from modelserver_runtime.loading import load
from modelserver_runtime.model import ServedModel
from modelserver_runtime.settings import from_environment
from runtime.artifact_make import Artifact
from runtime.command import modelserver
from runtime.process import ROOT

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def write_keys(folder: Path, name: str, key: PrivateKey) -> None:
    """Both halves, as `NAME.pem` and `NAME.pub`."""
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}.pem").write_bytes(private)
    (folder / f"{name}.pub").write_bytes(public)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ours, and those of others."""
    folder = tmp_path_factory.mktemp("keys")
    write_keys(folder, "ours", ec.generate_private_key(ec.SECP256R1()))
    write_keys(folder, "large", ec.generate_private_key(ec.SECP521R1()))
    write_keys(folder, "theirs", ec.generate_private_key(ec.SECP256R1()))
    write_keys(folder, "unusual", ec.generate_private_key(ec.SECP256K1()))
    write_keys(folder, "rsa", rsa.generate_private_key(65537, 2048))
    (folder / "garbage.pub").write_text("no PEM")
    return folder


def sign(artifact: Artifact, key: Path) -> None:
    """As its users do, on the command line."""
    subprocess.run(
        [
            *(sys.executable, "-m", "model_signing", "sign", "key", "--private_key", str(key)),
            *("--signature", str(artifact.path("model.sig")), str(artifact.folder)),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def signed_once(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Path:
    """The bundled artifact, signed with our key."""
    artifact = Artifact.copy(tmp_path_factory.mktemp("signed") / "model")
    sign(artifact, keys / "ours.pem")
    return artifact.folder


@pytest.fixture
def signed(signed_once: Path, tmp_path: Path) -> Artifact:
    """A copy of it, to be spoiled."""
    return Artifact.copy(tmp_path / "model", of=signed_once)


def loaded(path: Path, key: Path, **settings: str) -> ServedModel:
    """What the runtime makes of it where a signature is wanted."""
    environ = {f"MODELSERVER_{name.upper()}": value for name, value in settings.items()}
    environ |= {"MODEL_PATH": str(path), "MODELSERVER_SIGNATURE_KEY_FILE": str(key)}
    return load(from_environment(environ))


def test_what_our_key_signed_is_loaded(signed: Artifact, keys: Path) -> None:
    """With the folder named, or a file in it."""
    assert loaded(signed.folder, keys / "ours.pub").format == "skops"
    assert loaded(signed.path("model.joblib"), keys / "ours.pub").format == "joblib"


def test_a_longer_curve(tmp_path: Path, keys: Path) -> None:
    """Each curve has a hash of its own."""
    artifact = Artifact.copy(tmp_path / "model")
    sign(artifact, keys / "large.pem")
    assert loaded(artifact.folder, keys / "large.pub").format == "skops"


def test_a_file_beside_the_artifact_may_be_signed_and_change(tmp_path: Path, keys: Path) -> None:
    """What no manifest lists is not read."""
    artifact = Artifact.copy(tmp_path / "model")
    artifact.path("README").write_text("for people")
    sign(artifact, keys / "ours.pem")
    artifact.path("README").write_text("for other people")
    assert loaded(artifact.folder, keys / "ours.pub").format == "skops"


def without_signature(artifact: Artifact) -> None:
    """Nobody signed it."""
    artifact.path("model.sig").unlink()


def with_another_file(artifact: Artifact) -> None:
    """A file was changed, and the manifest with it."""
    content = io.BytesIO()
    joblib.dump({}, content)
    artifact.put("joblib", content.getvalue())


def with_another_word(artifact: Artifact) -> None:
    """The manifest alone was changed."""
    artifact.edit(lambda manifest: manifest.update(version="2.0.0"))


def with_a_manifest_that_is_none(artifact: Artifact) -> None:
    """It is not even parsed."""
    artifact.path("manifest.json").write_bytes(b"{" * 100_000)


def with_half_a_signature(artifact: Artifact) -> None:
    """The download broke off."""
    content = artifact.path("model.sig").read_bytes()
    artifact.path("model.sig").write_bytes(content[: len(content) // 2])


def with_another_payload(artifact: Artifact) -> None:
    """What was signed is replaced, the signature is not."""
    bundle = json.loads(artifact.path("model.sig").read_text())
    payload = bundle["dsseEnvelope"]["payload"]
    bundle["dsseEnvelope"]["payload"] = payload[:400] + payload[404:]
    artifact.path("model.sig").write_text(json.dumps(bundle))


def without_signatures_in_it(artifact: Artifact) -> None:
    """An envelope that nobody signed."""
    bundle = json.loads(artifact.path("model.sig").read_text())
    bundle["dsseEnvelope"]["signatures"] = []
    artifact.path("model.sig").write_text(json.dumps(bundle))


def as_a_pipe(artifact: Artifact) -> None:
    """Reading it would wait for ever."""
    artifact.path("model.sig").unlink()
    os.mkfifo(artifact.path("model.sig"))


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        pytest.param(without_signature, "has no model.sig", id="no signature"),
        pytest.param(with_another_file, "manifest.json has sha256", id="a changed file, repinned"),
        pytest.param(with_another_word, "manifest.json has sha256", id="a changed manifest"),
        pytest.param(with_a_manifest_that_is_none, "manifest.json has sha256", id="no manifest"),
        pytest.param(with_half_a_signature, "none that can be read", id="half a signature"),
        pytest.param(with_another_payload, "not made with that key", id="another payload"),
        pytest.param(without_signatures_in_it, "none that can be read", id="no signature in it"),
        pytest.param(as_a_pipe, "is no file", id="a pipe"),
    ],
)
def test_what_was_not_signed_is_refused(
    spoil: Callable[[Artifact], None], why: str, signed: Artifact, keys: Path
) -> None:
    """Whatever the digest says."""
    spoil(signed)
    with pytest.raises(SignatureInvalid, match=why):
        loaded(signed.folder, keys / "ours.pub")


def test_a_file_that_the_signature_does_not_cover_is_refused(tmp_path: Path, keys: Path) -> None:
    """It was listed before the signature was made, and left out of it."""
    artifact = Artifact.copy(tmp_path / "model")
    hidden = artifact.path("MLmodel").read_bytes()
    artifact.path("MLmodel").unlink()
    sign(artifact, keys / "ours.pem")
    artifact.path("MLmodel").write_bytes(hidden)
    with pytest.raises(SignatureInvalid, match="does not cover MLmodel"):
        loaded(artifact.folder, keys / "ours.pub")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        pytest.param("theirs", "not made with that key", id="another key"),
        pytest.param("garbage", "no public key", id="no key"),
        pytest.param("rsa", "no public key of the curve", id="no curve"),
        pytest.param("unusual", "no public key of the curve", id="another curve"),
        pytest.param("missing", "cannot be read: No such file", id="no file"),
    ],
)
def test_another_key_is_told(name: str, why: str, signed: Artifact, keys: Path) -> None:
    """With the file that holds it."""
    with pytest.raises(SignatureInvalid, match=rf"{name}\.pub.*{why}"):
        loaded(signed.folder, keys / f"{name}.pub")


def test_a_changed_byte_is_a_wrong_digest_first(signed: Artifact, keys: Path) -> None:
    """The manifest that was signed pins every file."""
    content = bytearray(signed.path("model.skops").read_bytes())
    content[100] ^= 1
    signed.path("model.skops").write_bytes(content)
    with pytest.raises(Exception, match=r"model\.skops has sha256") as refused:
        loaded(signed.folder, keys / "ours.pub")
    assert refused.value.reason == "DigestMismatch"  # type: ignore[attr-defined]


def test_a_file_without_a_manifest_is_refused(signed: Artifact, keys: Path, tmp_path: Path) -> None:
    """No signature could cover it."""
    lone = tmp_path / "model.skops"
    signed.path("model.skops").rename(lone)
    with pytest.raises(SignatureInvalid, match=r"no manifest\.json and no signature"):
        loaded(lone, keys / "ours.pub")


def test_without_a_key_nobody_looks(signed: Artifact) -> None:
    """And the tools for it are not imported."""
    signed.path("model.sig").write_text("garbage")
    program = (
        "import json, sys\n"
        "from modelserver_runtime.loading import load\n"
        "from modelserver_runtime.settings import from_environment\n"
        "load(from_environment())\n"
        "print(json.dumps([n for n in sys.modules if n.startswith(('model_signing', 'sigstore'))]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"MODEL_PATH": str(signed.folder), "PYTHONPATH": str(ROOT / "server")},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_the_command_checks_it_too(signed: Artifact, keys: Path) -> None:
    """With the key of whoever verifies; a ConfigMap takes the signature along."""
    ours = modelserver("verify", signed.folder, "--key", keys / "ours.pub", "--json")
    assert ours.code == 0, ours.err
    assert "made with the key of ours.pub" in ours.out
    theirs = modelserver("verify", signed.folder, "--key", keys / "theirs.pub", "--json")
    assert theirs.code == EXIT_CODES["SignatureInvalid"]
    steps = {step["name"]: step["passed"] for step in json.loads(theirs.out)["steps"]}
    assert (steps["files"], steps["signature"], steps["model"]) == (True, False, None)
    config_map = next(yaml.safe_load_all(modelserver("manifest", signed.folder).out))
    assert "model.sig" in config_map["binaryData"]
