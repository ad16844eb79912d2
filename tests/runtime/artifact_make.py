"""A copy of the bundled artifact, to be spoiled."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.process import BUNDLED


@dataclass(frozen=True)
class Artifact:
    """A folder with a manifest that a test may change, as one who also repins it could."""

    folder: Path

    @classmethod
    def copy(cls, folder: Path, of: Path = BUNDLED) -> "Artifact":
        """A new one in *folder*."""
        return cls(Path(shutil.copytree(of, folder)))

    @property
    def digest(self) -> str:
        """What it would be pinned by."""
        return "sha256:" + hashlib.sha256((self.folder / "manifest.json").read_bytes()).hexdigest()

    def path(self, name: str) -> Path:
        """One of its files."""
        return self.folder / name

    def edit(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change its manifest."""
        manifest = json.loads(self.path("manifest.json").read_text())
        change(manifest)
        self.path("manifest.json").write_text(json.dumps(manifest))

    def put(self, format_: str, content: bytes) -> None:
        """Have one model file, *content*, and the manifest agree with it."""
        name = f"model.{format_}"
        self.path(name).write_bytes(content)
        entry = {
            "path": name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
            "format": format_,
        }

        def change(manifest: dict[str, Any]) -> None:
            others = [file for file in manifest["files"] if "format" not in file]
            manifest["files"] = [entry, *others]

        self.edit(change)
