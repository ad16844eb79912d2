"""Who made an artifact: a signature in its folder, checked with a public key that we were given."""

from pathlib import Path
from typing import Any

from modelserver_runtime.artifact import Attest, read_beside
from modelserver_runtime.errors import LoadError, ModelNotFound, SignatureInvalid

SIGNATURE = "model.sig"
MAX_SIGNATURE_BYTES = 4 * 1024 * 1024

# What model-signing and what is below it raise for bytes that are no signature.
_DAMAGED = (ValueError, TypeError, LookupError, AttributeError, RecursionError)


def signed_with(key_file: Path, folder: Path) -> Attest:
    """
    Read the signature in *folder*.

    The signature is that of model-signing (OpenSSF), which names each file with its hash. Ours are
    compared with it: those of the bytes that we read, so nothing can change between check and use.

    Args:
        key_file: the public key in PEM, of an elliptic curve.
        folder: the artifact's.

    Returns:
        What compares one file's sha256 with the one that was signed.

    Raises:
        SignatureInvalid: none is there, or it was not made with that key.
    """
    signed = _signed_digests(key_file, folder)

    def attest(name: str, digest: str) -> None:
        if name not in signed:
            raise SignatureInvalid(f"{SIGNATURE} does not cover {name}")
        if signed[name] != digest:
            raise SignatureInvalid(
                f"{name} has sha256:{digest}, but sha256:{signed[name]} was signed"
            )

    return attest


def _signed_digests(key_file: Path, folder: Path) -> dict[str, str]:
    """The sha256 of each file that was signed, by its path in the folder."""
    # Past the front door of model-signing, which would read and hash the files itself: a second
    # time, from other descriptors than we do.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - only with a key
    from model_signing._signing import sign_sigstore_pb  # noqa: PLC0415 - the same

    verifier = _verifier(key_file)
    try:
        content = read_beside(folder, SIGNATURE, limit=MAX_SIGNATURE_BYTES)
    except ModelNotFound as error:
        raise SignatureInvalid(f"{folder} has no {SIGNATURE}, and one is wanted") from error
    except LoadError as error:
        raise SignatureInvalid(str(error)) from error
    try:
        signature = sign_sigstore_pb.Signature.read(_InMemory(content))  # type: ignore[arg-type]
        manifest = verifier.verify(signature)
    except (InvalidSignature, *_DAMAGED) as error:
        why = "it was not made with that key"
        if not isinstance(error, InvalidSignature) and "Key mismatch" not in str(error):
            why = f"it is none that can be read ({type(error).__name__})"
        raise SignatureInvalid(
            f"{folder / SIGNATURE} does not verify with {key_file}: {why}"
        ) from error
    return {
        resource.identifier: resource.digest.digest_hex
        for resource in manifest.resource_descriptors()
        if resource.digest.algorithm == "sha256"
    }


def _verifier(key_file: Path) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see above
    from model_signing._signing import sign_ec_key  # noqa: PLC0415 - the same

    try:
        return sign_ec_key.Verifier(key_file)
    except OSError as error:
        raise SignatureInvalid(f"{key_file} cannot be read: {error.strerror}") from error
    except (UnsupportedAlgorithm, *_DAMAGED) as error:
        raise SignatureInvalid(
            f"{key_file} is no public key of the curve P-256, P-384 or P-521 in PEM"
        ) from error


class _InMemory:
    """What model-signing reads as if it were a file."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read_text(self, encoding: str) -> str:
        return self._content.decode(encoding)
