"""`modelserver inspect`: what is in an artifact, and how it would be served."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import typer
from pydantic import BaseModel
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modelserver_runtime.artifact import Artifact, Feature, File, Histogram
from modelserver_runtime.commands.bars import bars
from modelserver_runtime.commands.folder import AsJson, Folder, opened
from modelserver_runtime.commands.loaded import loaded, settings_for
from modelserver_runtime.commands.terminal import OUT, printable
from modelserver_runtime.errors import LoadError

BAR_WIDTH = 24
SHOWN_CATEGORIES = 6


@dataclass(frozen=True)
class Engine:
    """What would answer; *name* is None where nobody can say without running a pickle."""

    name: str | None
    reason: str


def inspect(folder: Folder, as_json: AsJson = False) -> None:  # noqa: FBT002 - typer's way to declare a flag
    """
    Show what is in an artifact.

    Features with their ranges and how they were distributed in training, classes, metrics,
    versions, files, and the engine that a pod would take. A model that can run code is not loaded.
    """
    artifact = opened(folder)
    engine = engine_of(artifact)
    if as_json:
        typer.echo(json.dumps(described(artifact, engine), indent=1))
    else:
        OUT.print(picture(artifact, engine))


def engine_of(artifact: Artifact) -> Engine:
    """Load the model if that is safe, and see what a pod would take."""
    formats = {file.format for file in artifact.manifest.files}
    if not formats & {"skops", "onnx"}:
        return Engine(None, "not loaded: the only model file can run any code")
    try:
        model = loaded(settings_for(artifact.folder, model_digest=artifact.digest))
    except LoadError as error:
        return Engine(None, f"would not be served, {error.reason}: {error}")
    return Engine(model.engine.name, model.engine_reason)


def described(artifact: Artifact, engine: Engine) -> dict[str, Any]:
    """For programs: the manifest, and what it does not say of itself."""
    manifest = artifact.manifest
    return {
        "digest": artifact.digest,
        "bytes": sum(file.size for file in manifest.files),
        "engine": asdict(engine),
        "manifest": manifest.model_dump(mode="json", exclude_none=True),
    }


def picture(artifact: Artifact, engine: Engine) -> RenderableType:
    """For people."""
    artifact = replace(artifact, manifest=_printable(artifact.manifest))
    engine = Engine(engine.name, printable(engine.reason))
    return Group(
        Text(artifact.digest, no_wrap=True, overflow="ignore"),  # in one piece, to be copied
        _facts(artifact, engine),
        Text(),
        _features(artifact),
        Text(),
        _files(artifact.manifest.files),
    )


def _printable(value: Any) -> Any:
    """
    The same manifest, or part of one, with nothing in its texts that a terminal would obey.

    It is only shown: what is written out may be longer than a manifest allows.
    """
    if isinstance(value, BaseModel):
        fields = {name: _printable(getattr(value, name)) for name in type(value).model_fields}
        return value.model_copy(update=fields)
    if isinstance(value, Mapping):
        return {_printable(name): _printable(below) for name, below in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(one) for one in value]
    return printable(value) if isinstance(value, str) else value


def _facts(artifact: Artifact, engine: Engine) -> Table:
    manifest = artifact.manifest
    table = _plain_table()
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("name", Text(f"{manifest.name} {manifest.version}", "bold cyan"))
    if manifest.description:
        table.add_row("about", manifest.description)
    table.add_row("task", manifest.task)
    if manifest.classes:
        table.add_row("classes", ", ".join(_class(c.label, c.name) for c in manifest.classes))
    for name, value in manifest.metrics.items():
        table.add_row(name, f"{value:.4g}")
    table.add_row(
        "engine", Text.assemble((engine.name or "unknown", "green"), f", {engine.reason}")
    )
    golden = manifest.golden
    table.add_row("examples", f"{len(golden.rows)} with answers" if golden else "none")
    versions = [f"{name} {version}" for name, version in manifest.framework_versions.items()]
    table.add_row("made by", ", ".join(versions))
    table.add_row("made at", manifest.created)
    return table


def _class(label: object, name: str) -> str:
    return name if str(label) == name else f"{label} {name}"


def _features(artifact: Artifact) -> Table:
    manifest = artifact.manifest
    table = _plain_table(header=True)
    table.add_column("feature", style="bold", overflow="fold")
    table.add_column("type")
    table.add_column("min", justify="right", no_wrap=True)
    table.add_column("in training", min_width=BAR_WIDTH, style="cyan", overflow="fold")
    table.add_column("max", no_wrap=True)
    for feature in manifest.signature.features:
        table.add_row(*_cells(feature, manifest.baseline.get(feature.name)))
    return table


def _cells(feature: Feature, histogram: Histogram | None) -> Iterator[str]:
    yield feature.name + (f", {feature.title}" if feature.title else "")
    yield feature.type + (" or null" if feature.nullable else "")
    yield _number(feature.minimum)
    yield _categories(feature.categories) if histogram is None else bars(histogram, BAR_WIDTH)
    yield _number(feature.maximum)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _categories(categories: Sequence[str] | None) -> str:
    if categories is None:
        return ""
    shown = ", ".join(categories[:SHOWN_CATEGORIES])
    more = len(categories) - SHOWN_CATEGORIES
    return shown + (f" and {more} more" if more > 0 else "")


def _files(files: Sequence[File]) -> Table:
    table = _plain_table(header=True)
    table.add_column("file", style="bold", overflow="fold")
    table.add_column("format")
    table.add_column("bytes", justify="right")
    for file in files:
        table.add_row(file.path, file.format or "", f"{file.size:,}")
    return table


def _plain_table(*, header: bool = False) -> Table:
    return Table(box=None, show_header=header, header_style="dim", pad_edge=False)
