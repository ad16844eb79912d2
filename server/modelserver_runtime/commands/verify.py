"""`modelserver verify`: would a pod with this artifact get Ready, and where does it stop?"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modelserver_runtime.artifact import Artifact, open_artifact
from modelserver_runtime.commands.exit_codes import exit_code
from modelserver_runtime.commands.folder import AsJson, Folder, opened
from modelserver_runtime.commands.loaded import Formats, loaded, settings_for
from modelserver_runtime.commands.terminal import OUT, printable, say_why, warn
from modelserver_runtime.commands.versions import difference_from
from modelserver_runtime.errors import GoldenMismatch, LoadError
from modelserver_runtime.model import ServedModel
from modelserver_runtime.settings import Settings
from modelserver_runtime.signature_check import signed_with

STEPS = ("manifest", "files", "signature", "model", "examples", "engine")


@dataclass(frozen=True)
class Step:
    """One thing that must hold; *passed* is None where an earlier one stopped the way."""

    name: str
    passed: bool | None
    says: str = ""


@dataclass
class Report:
    """How far an artifact came."""

    folder: Path
    digest: str | None = None
    steps: list[Step] = field(default_factory=list)
    failure: LoadError | None = None

    def passed(self, says: str) -> None:
        """The next step holds."""
        self.steps.append(Step(STEPS[len(self.steps)], passed=True, says=says))

    def failed(self, error: LoadError) -> None:
        """The next step does not."""
        self.failure = error
        self.steps.append(Step(STEPS[len(self.steps)], passed=False, says=str(error)))
        self.steps.extend(Step(name, passed=None) for name in STEPS[len(self.steps) :])

    def as_json(self) -> str:
        """For programs."""
        failure = self.failure
        return json.dumps(
            {
                "folder": str(self.folder),
                "digest": self.digest,
                "verified": failure is None,
                "reason": None if failure is None else failure.reason,
                "message": None if failure is None else str(failure),
                "steps": [asdict(step) for step in self.steps],
            },
            indent=1,
        )


def verify(  # noqa: PLR0913 - options of a command line
    folder: Folder,
    digest: Annotated[
        str | None, typer.Option(help="The digest it must have, sha256:….", metavar="DIGEST")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(help="Public key in PEM, with which the model.sig in it must verify."),
    ] = None,
    formats: Formats = None,
    strict: Annotated[  # noqa: FBT002 - typer's way to declare a flag
        bool, typer.Option("--strict", help="Refuse what another scikit-learn version made.")
    ] = False,
    as_json: AsJson = False,  # noqa: FBT002 - the same
) -> None:
    """
    Check an artifact as a pod does before it is Ready.

    The manifest against the digest, every file against the manifest, all of them against the
    signature, the model file's format and types, the recorded examples, and the engine against
    scikit-learn. The exit code says which class of failure it is.
    """
    settings = settings_for(
        folder,
        model_digest=digest,
        model_formats=formats,
        signature_key_file=None if key is None else str(key),
        version_mismatch="refuse" if strict else None,
    )
    report = verified(settings)
    if as_json:
        typer.echo(report.as_json())
    else:
        OUT.print(picture(report))
    if report.failure is not None:
        say_why(report.failure)
        raise typer.Exit(exit_code(report.failure))


def verified(settings: Settings) -> Report:
    """Go the way of a pod that starts with *settings*, and report where it ends."""
    report = Report(settings.model_path)
    try:
        for says in _steps(settings, report):
            report.passed(says)
    except LoadError as error:
        if isinstance(error, GoldenMismatch):  # so the model itself was loaded
            report.passed("loaded")
        report.failed(error)
    return report


def _steps(settings: Settings, report: Report) -> Iterator[str]:
    artifact = opened(settings.model_path, pinned=settings.model_digest)
    report.digest = artifact.digest
    yield "as pinned" if settings.model_digest else "its digest is not pinned: give --digest"
    yield _files(artifact)
    yield _signature(artifact, settings)
    difference = difference_from(artifact.manifest.framework_versions.get("scikit-learn"))
    if difference is not None and settings.version_mismatch != "refuse":
        warn(difference)
    model = loaded(settings)  # reads everything again: what is verified is what a pod does
    yield _model(model)
    yield _examples(model)
    yield f"{model.engine.name}: {model.engine_reason}"


def _files(artifact: Artifact) -> str:
    files = artifact.manifest.files
    artifact.verify_files()
    size = sum(file.size for file in files)
    return f"{len(files)} with the hashes of the manifest, {size:,} bytes"


def _signature(artifact: Artifact, settings: Settings) -> str:
    key = settings.signature_key_file
    if key is None:
        return "not asked for: give --key"
    open_artifact(artifact.folder, pinned=artifact.digest, attest=signed_with(key, artifact.folder))
    return f"made with the key of {key.name}"


def _model(model: ServedModel) -> str:
    width = len(model.manifest.signature.features)
    columns = "1 feature" if width == 1 else f"{width} features"
    return f"{model.manifest.task} with {columns}, from its {model.format} file"


def _examples(model: ServedModel) -> str:
    golden = model.manifest.golden
    if golden is None:
        return "none are recorded"
    return f"{len(golden.rows)} answered as recorded, to {golden.tolerance:g}"


_MARKS = {True: ("✓", "bold green"), False: ("✗", "bold red"), None: ("·", "dim")}


def picture(report: Report) -> RenderableType:
    """For people."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(width=1)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for step in report.steps:
        table.add_row(Text(*_MARKS[step.passed]), step.name, _shown(step, report))
    # In one piece, to be copied.
    digest = Text(report.digest or str(report.folder), no_wrap=True, overflow="ignore")
    return Group(digest, table)


def _shown(step: Step, report: Report) -> Text:
    if step.passed is None:
        return Text("not reached", "dim")
    if not step.passed and report.failure is not None:
        return Text(report.failure.reason, "red")  # the sentence stands below the table
    return Text(printable(step.says))
