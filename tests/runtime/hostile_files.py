"""Files that are not the ones that were pinned, listed or signed, or are no files."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import skops.io
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from sklearn.linear_model import LogisticRegression

from runtime.artifact_make import Artifact
from runtime.hostile_artifact import (
    Hostile,
    Settings,
    Spoil,
    X,
    Y,
    changed,
    missing,
    pickled,
    unloadable,
    unsigned,
)

FILES = ("model.skops", "model.joblib", "MLmodel", "conda.yaml", "requirements.txt")


def hostile_bytes() -> Iterator[Hostile]:
    for name in FILES:
        yield changed(f"one bit of {name}", _flipped(name), f"{name} has sha256")
        yield changed(f"{name} cut off", _cut(name), f"{name} has sha256")
        yield changed(f"{name} too long", _longer(name), f"{name} is longer")
    yield changed("one bit of the manifest", _pinned(_flipped("manifest.json")), "is pinned")
    yield unloadable("the manifest cut off", _cut("manifest.json"), "is no manifest")
    yield changed("a space behind the manifest", _pinned(_longer("manifest.json")), "is pinned")
    yield changed("another artifact's manifest", _swapped_manifest, "is pinned")
    yield changed("another artifact's model", _swapped_model, "model.skops has")
    yield changed("another digest", lambda *_: {"model_digest": "sha256:" + "0" * 64}, "is pinned")


def _flipped(name: str) -> Spoil:
    def spoil(artifact: Artifact, _: Path) -> None:
        content = bytearray(artifact.path(name).read_bytes())
        content[len(content) // 2] ^= 1
        artifact.path(name).write_bytes(content)

    return spoil


def _cut(name: str) -> Spoil:
    def spoil(artifact: Artifact, _: Path) -> None:
        os.truncate(artifact.path(name), artifact.path(name).stat().st_size // 2)

    return spoil


def _longer(name: str) -> Spoil:
    def spoil(artifact: Artifact, _: Path) -> None:
        with artifact.path(name).open("ab") as file:
            file.write(b" ")

    return spoil


def _pinned(spoil: Spoil) -> Spoil:
    """With the digest from before pinned."""

    def pinned(artifact: Artifact, canary: Path) -> Settings:
        digest = artifact.digest
        spoil(artifact, canary)
        return {"model_digest": digest}

    return pinned


def _swapped_manifest(artifact: Artifact, _: Path) -> Settings:
    digest = artifact.digest
    artifact.put("skops", skops.io.dumps(LogisticRegression(max_iter=5000).fit(X[:, :2], Y)))
    return {"model_digest": digest}


def _swapped_model(artifact: Artifact, _: Path) -> None:
    other = skops.io.dumps(LogisticRegression(max_iter=5000).fit(X[:, :2], Y))
    artifact.path("model.skops").write_bytes(other[: artifact.path("model.skops").stat().st_size])


def hostile_folders() -> Iterator[Hostile]:
    def replaced(name: str, make: Callable[[Path], Any]) -> Spoil:
        def spoil(artifact: Artifact, _: Path) -> None:
            artifact.path(name).unlink()
            make(artifact.path(name))

        return spoil

    def to(target: str) -> Callable[[Path], Any]:
        return lambda path: path.symlink_to(target)

    def gone(artifact: Artifact, _: Path) -> Settings:
        return {"model_path": str(artifact.path("nothing"))}

    for name in ("model.skops", "manifest.json"):
        yield unloadable(f"{name}: a link out", replaced(name, to("/etc/passwd")), "leads out of")
        yield unloadable(
            f"{name}: a link to a device", replaced(name, to("/dev/zero")), "leads out of"
        )
        yield unloadable(f"{name}: a link to itself", replaced(name, to(name)), "cannot be read")
        yield missing(f"{name}: a link to nothing", replaced(name, to("nothing")), "does not exist")
        yield unloadable(f"{name}: a pipe", replaced(name, os.mkfifo), "is no file")
        yield unloadable(
            f"{name}: a folder", replaced(name, Path.mkdir), "is no file|Is a directory"
        )
        yield missing(f"{name}: missing", replaced(name, lambda _: None), "does not exist")
    yield missing("no folder", gone, "nothing does not exist")


def hostile_signatures() -> Iterator[Hostile]:
    def key(artifact: Artifact) -> Settings:
        path = artifact.folder.parent / "key.pub"
        public = ec.generate_private_key(ec.SECP256R1()).public_key()
        path.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        return {"signature_key_file": str(path)}

    def bare(artifact: Artifact, _: Path) -> Settings:
        return key(artifact)

    def wrongly(artifact: Artifact, _: Path) -> Settings:
        from model_signing import hashing, signing  # noqa: PLC0415 - two seconds

        path = artifact.folder.parent / "theirs.pem"
        private = ec.generate_private_key(ec.SECP256R1())
        path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        signature = artifact.path("model.sig")
        hashed = hashing.Config().set_ignored_paths(paths=["model.sig"])
        config = signing.Config().use_elliptic_key_signer(private_key=path)
        config.set_hashing_config(hashed).sign(artifact.folder, signature)
        return key(artifact)

    def garbled(artifact: Artifact, _: Path) -> Settings:
        artifact.path("model.sig").write_bytes(pickled("no signature"))
        return key(artifact)

    yield unsigned("signed by nobody", bare, "has no model.sig")
    yield unsigned("signed with another key", wrongly, "not made with that key")
    yield unsigned("signed with garbage", garbled, "none that can be read")
