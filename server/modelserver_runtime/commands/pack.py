"""`modelserver pack`: from a fitted estimator to an artifact."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from modelserver_runtime.artifact import MANIFEST, Manifest
from modelserver_runtime.commands.loaded import loaded, settings_for
from modelserver_runtime.commands.terminal import OUT, warn
from modelserver_runtime.commands.versions import difference_from
from modelserver_runtime.errors import SettingError, VersionMismatch
from modelserver_runtime.model import ServedModel

if TYPE_CHECKING:
    from modelserver_runtime.commands.given_model import GivenModel
    from modelserver_runtime.packing import Description


def pack(  # noqa: PLR0913 - options of a command line
    model: Annotated[
        Path,
        typer.Argument(
            help="A joblib, pickle, skops or ONNX file, or an MLflow model folder.", metavar="MODEL"
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to write.", metavar="FOLDER")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            help="Training rows: a .csv, .parquet, .npy or .npz file. Ranges, histograms and"
            " examples come from it."
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="Column of the data with the right answers; metrics come from it."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Default: that of the file.")] = None,
    version: Annotated[str, typer.Option(help="Version of the model.")] = "1.0.0",
    description: Annotated[str | None, typer.Option(help="A sentence for people.")] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(help="A metric measured elsewhere, such as accuracy=0.97; repeatable."),
    ] = None,
    class_names: Annotated[
        str | None,
        typer.Option(
            help="Names of the classes for people, comma separated, in the order of theirs."
        ),
    ] = None,
    title: Annotated[
        list[str] | None,
        typer.Option(help="Title of a feature for people, such as age='age in years'; repeatable."),
    ] = None,
    formats: Annotated[
        str,
        typer.Option("--format", help="Model files to write, comma separated: skops, joblib."),
    ] = "skops",
    trust: Annotated[  # noqa: FBT002 - typer's way to declare a flag
        bool,
        typer.Option(
            "--trust", help="Read a pickle, which runs what it holds: for files of your own."
        ),
    ] = False,
    strict: Annotated[  # noqa: FBT002 - the same
        bool, typer.Option("--strict", help="Refuse what another scikit-learn version made.")
    ] = False,
    force: Annotated[  # noqa: FBT002 - the same
        bool, typer.Option("--force", help="Replace the artifact that is in the folder.")
    ] = False,
) -> None:
    """
    Make an artifact of a fitted model.

    Writes the model file, and the manifest with the hashes of all files, the features, the classes,
    the metrics, and examples that every pod must answer as recorded. What was written is then
    loaded as a pod would load it, and the folder appears only if that succeeds.
    """
    _require_free(output, force=force)
    if target is not None and data is None:
        raise typer.BadParameter("--target names a column of the data: give --data too")
    # scikit-learn and pandas take two seconds: not for --help.
    from modelserver_runtime.commands.given_data import read_data  # noqa: PLC0415
    from modelserver_runtime.commands.given_model import read_model  # noqa: PLC0415
    from modelserver_runtime.packing import Description, answers  # noqa: PLC0415

    given = read_model(model, trust=trust)
    answers.require_fitted(given.estimator)
    _compare_versions(given, strict=strict)
    rows = None if data is None else read_data(data, given.estimator, target)
    for note in () if rows is None else rows.notes:
        warn(note)
    described = Description(
        name=name or _as_name(given.name),
        version=version,
        description=description,
        titles=dict(_pair(one, "--title", "NAME=TITLE") for one in title or ()),
        class_names=class_names.split(",") if class_names else None,
        metrics=dict(map(_metric, metric or ())),
        target=None if rows is None else rows.target,
        formats=_formats(formats, given),
        created=_now(),
        other_files=tuple(given.other_files),
    )
    training = given.sample if rows is None else rows.rows
    made = _write(given, training, output, described)
    _tell(output, made, has_rows=training is not None)


def _require_free(output: Path, *, force: bool) -> None:
    if output.exists() and not output.is_dir():
        raise typer.BadParameter(f"{output} is a file: name a folder to write")
    if not output.is_dir() or not any(output.iterdir()):
        return
    if not force:
        raise typer.BadParameter(
            f"{output} is not empty: name another folder, or replace the artifact there with"
            " --force"
        )
    if not (output / MANIFEST).exists():
        raise typer.BadParameter(f"{output} has no {MANIFEST}, and only an artifact is replaced")


def _compare_versions(given: "GivenModel", *, strict: bool) -> None:
    difference = difference_from(given.made_by)
    if difference is not None and strict:
        raise VersionMismatch(difference)
    if difference is not None:
        warn(difference)


def _formats(written: str, given: "GivenModel") -> Sequence[str]:
    if given.files and given.files[0].format == "onnx":
        return ("onnx",)
    return tuple(part.strip() for part in written.split(",") if part.strip())


def _metric(text: str) -> tuple[str, float]:
    name, value = _pair(text, "--metric", "NAME=NUMBER")
    try:
        return name, float(value)
    except ValueError:
        raise typer.BadParameter(f"--metric takes NAME=NUMBER, not {text!r}") from None


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise typer.BadParameter(f"{option} takes {form}, not {text!r}")
    return name, value


def _as_name(text: str) -> str:
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in text)
    return kept.strip("._-") or "model"


def _now() -> datetime:
    """SOURCE_DATE_EPOCH, where builds are to be the same each time."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if not epoch:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        return datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError):
        raise SettingError(f"SOURCE_DATE_EPOCH is {epoch!r}, not a number of seconds") from None


def _write(
    given: "GivenModel", training: object, output: Path, described: "Description"
) -> ServedModel:
    """Write beside the folder, load it as a pod does, and only then put it in its place."""
    from modelserver_runtime.packing import pack as pack_artifact  # noqa: PLC0415

    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as beside:
        folder = Path(beside) / output.name
        folder.mkdir()
        for path, content in given.other_files.items():
            (folder / path).write_bytes(content)
        files = [
            file for file in given.files if file.format in described.formats or given.other_files
        ]
        digest = pack_artifact(given.estimator, training, folder, described, given=files)
        wanted = ",".join(described.formats)
        model = loaded(settings_for(folder, model_formats=wanted, model_digest=digest))
        if output.exists():
            shutil.rmtree(output)
        folder.rename(output)
    return model


def _tell(output: Path, made: ServedModel, *, has_rows: bool) -> None:
    OUT.print(Text.assemble(("✓ ", "bold green"), f"{output}  {made.digest}"), soft_wrap=True)
    OUT.print(f"  {made.manifest.task}, {made.engine.name}: {made.engine_reason}", soft_wrap=True)
    for missing in what_is_missing(made.manifest, has_rows=has_rows):
        warn(missing)


def what_is_missing(manifest: Manifest, *, has_rows: bool) -> list[str]:
    """Sentences about what the artifact could hold and does not."""
    said = []
    if not manifest.baseline and manifest.signature.is_numeric:
        said.append("ranges of the features are not known: give training rows with --data")
    if not has_rows:
        said.append("the examples were made up from what the model knows: give rows with --data")
    if not manifest.metrics and manifest.task in ("classification", "multilabel", "regression"):
        said.append("there are no metrics: name the right answers with --target, or give --metric")
    return said
