"""What the runtime says when it ends is what the ModelServer's status says."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import modelserver_make as make
from modelserver_operator.causes import root_cause
from runtime.process import BUNDLED, START_SECONDS, running


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("# none yet\n", "has no token", id="no token"),
        pytest.param("short\n", "has a token shorter than 16 bytes", id="a short token"),
        pytest.param(None, "cannot be read: No such file or directory", id="no file"),
    ],
)
def test_a_bad_file_of_tokens(tmp_path: Path, content: str | None, words: str) -> None:
    """Told by its reason and its path, never by what is in it."""
    tokens, log = tmp_path / "tokens", tmp_path / "termination-log"
    if content is not None:
        tokens.write_text(content)
    with running(auth_tokens_file=str(tokens), termination_log=str(log)) as process:
        code = process.wait()
    pod = make.pod(state=make.ended(log.read_text(), code=code))
    assert root_cause([pod], {}) == ("InvalidSetting", f"1 of 1 pods: {tokens} {words}")


def test_a_bad_certificate(tmp_path: Path) -> None:
    """Both files are named, for it may be either."""
    chain, key, log = tmp_path / "tls.crt", tmp_path / "tls.key", tmp_path / "termination-log"
    for file in (chain, key):
        file.write_text("no PEM")
    files = {"tls_cert_file": str(chain), "tls_key_file": str(key), "termination_log": str(log)}
    with running(**files) as process:
        code = process.wait()
    cause = root_cause([make.pod(state=make.ended(log.read_text(), code=code))], {})
    assert code == 64
    assert cause is not None
    assert cause.reason == "InvalidSetting"
    assert f"{chain} and {key} are no certificate and its key" in cause.message


def test_an_artifact_that_nobody_signed(tmp_path: Path) -> None:
    """A wanted signature that is not there ends the process, and is told."""
    log = tmp_path / "termination-log"
    key = tmp_path / "key.pub"
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    key.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with running(
        signature_key_file=str(key), on_load_failure="exit", termination_log=str(log)
    ) as process:
        code = process.wait(START_SECONDS)
    cause = root_cause([make.pod(state=make.ended(log.read_text(), code=code))], {})
    want = f"1 of 1 pods: {BUNDLED} has no model.sig, and one is wanted"
    assert (code, cause) == (78, ("SignatureInvalid", want))


def test_a_model_too_large_for_the_container(tmp_path: Path) -> None:
    """It is told before the kernel would kill."""
    log = tmp_path / "termination-log"
    with running(
        memory_limit_bytes=str(64 * 2**20), on_load_failure="exit", termination_log=str(log)
    ) as process:
        code = process.wait(START_SECONDS)
    cause = root_cause([make.pod(state=make.ended(log.read_text(), code=code))], {})
    assert code == 78
    assert cause is not None
    assert cause.reason == "ModelTooLarge"
    assert "more than 90% of 64 MiB" in cause.message
