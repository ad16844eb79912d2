"""Archives of the bundled artifact, and of whatever else."""

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any

from runtime.process import BUNDLED

Files = Mapping[str, bytes]

ARTIFACT: Files = {path.name: path.read_bytes() for path in sorted(BUNDLED.iterdir())}
DIGEST = "sha256:" + hashlib.sha256(ARTIFACT["manifest.json"]).hexdigest()


def tar(files: Files = ARTIFACT, *, below: str = "", kind: str = "") -> bytes:
    """Pack *files* below a folder; *kind* is what `tarfile` calls the compression."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{kind}") as archive:
        for name, content in files.items():
            archive.addfile(member(below + name, size=len(content)), io.BytesIO(content))
    return out.getvalue()


def member(name: str, **facts: Any) -> tarfile.TarInfo:
    """Build a header."""
    found = tarfile.TarInfo(name)
    for fact, value in facts.items():
        setattr(found, fact, value)
    return found


def zipped(files: Files = ARTIFACT, *, below: str = "", deflate: bool = True) -> bytes:
    """Pack *files* below a folder."""
    out = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(below + name, content)
    return out.getvalue()


def with_flipped_byte(name: str) -> Files:
    """Change one bit in the middle of a file."""
    content = bytearray(ARTIFACT[name])
    content[len(content) // 2] ^= 1
    return {**ARTIFACT, name: bytes(content)}
