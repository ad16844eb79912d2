"""An artifact loaded as a pod would load it."""

from pathlib import Path
from typing import Annotated

import typer

from modelserver_runtime.model import ServedModel
from modelserver_runtime.settings import Settings, from_environment, names_of

Formats = Annotated[
    str | None,
    typer.Option(
        help="Formats that may be loaded, comma separated, the most wanted first. Default: skops"
        " and onnx. A joblib file can run any code: name joblib only for artifacts you trust.",
    ),
]


def settings_for(folder: Path, **given: str | None) -> Settings:
    """
    The settings of a runtime that serves the artifact in *folder*.

    Args:
        folder: the artifact's.
        given: other settings, by their names; None leaves one as it is.

    Raises:
        SettingError: a value does not fit.
    """
    values = {"model_path": str(folder), **given}
    return from_environment(
        {names_of(field)[0]: value for field, value in values.items() if value is not None}
    )


def loaded(settings: Settings) -> ServedModel:
    """
    The model, after everything that must hold before a pod is Ready.

    Raises:
        LoadError.
    """
    from modelserver_runtime.loading import load  # noqa: PLC0415 - scikit-learn takes a second

    return load(settings)
