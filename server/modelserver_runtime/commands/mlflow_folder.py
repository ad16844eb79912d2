"""An MLflow model folder with the scikit-learn flavour: what its MLmodel file says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from modelserver_runtime.artifact import Feature
from modelserver_runtime.errors import NotPackable
from modelserver_runtime.packing import Sample
from modelserver_runtime.packing.made_up import made_up_sample
from modelserver_runtime.packing.sample import columns_of, rows_of

DESCRIPTION: Final = "MLmodel"
_GO_WITH_IT: Final = (
    "conda.yaml",
    "python_env.yaml",
    "requirements.txt",
    "serving_input_example.json",
)

_TYPES: Final[Mapping[str, Literal["float64", "int64", "bool", "string"]]] = {
    "double": "float64",
    "float": "float64",
    "long": "int64",
    "integer": "int64",
    "boolean": "bool",
    "string": "string",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class MLflowFolder:
    """
    What is in one.

    Args:
        model_path: the model file's name.
        format: that file's.
        features: of its signature, where it has one with names.
        example: the input example, a DataFrame or array, where there is one.
        other_files: by name.
    """

    model_path: str
    format: str
    features: tuple[Feature, ...] | None
    example: Any
    other_files: Mapping[str, bytes]

    def sample(self, estimator: Any) -> Sample | None:
        """What is known of the rows of *estimator*: the example, typed by the signature."""
        if self.example is None:
            return None if self.features is None else made_up_sample(estimator, self.features)
        columns = columns_of(self.example)
        if self.features is None or len(columns) != len(self.features):
            return Sample.of(self.example)
        rows = rows_of(columns, self.features)
        return Sample(
            features=self.features, rows=rows, baseline={}, origin="MLflow's input example"
        )


def read(folder: Path) -> MLflowFolder:
    """
    Read the description of *folder*.

    Raises:
        NotPackable: it is not what MLflow writes for scikit-learn.
    """
    described = _described(folder)
    flavor = described["flavors"].get("sklearn")
    if not isinstance(flavor, dict):
        raise NotPackable(
            f"{folder / DESCRIPTION} has the flavors {', '.join(sorted(described['flavors']))}, but"
            " only sklearn is read"
        )
    model_path = str(flavor.get("pickled_model", "model.pkl"))
    if not (folder / model_path).is_file() or Path(model_path).name != model_path:
        raise NotPackable(f"{folder / DESCRIPTION} names the model file {model_path}: not there")
    example, example_file = _example(folder, described.get("saved_input_example_info"))
    names = [DESCRIPTION, *_GO_WITH_IT, *([example_file] if example_file else [])]
    return MLflowFolder(
        model_path=model_path,
        format="skops" if flavor.get("serialization_format") == "skops" else "joblib",
        features=_features(described.get("signature")),
        example=example,
        other_files={n: (folder / n).read_bytes() for n in names if (folder / n).is_file()},
    )


def _described(folder: Path) -> dict[str, Any]:
    try:
        described = yaml.safe_load((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NotPackable(f"{folder / DESCRIPTION} is no YAML: {error}") from error
    if not isinstance(described, dict) or not isinstance(described.get("flavors"), dict):
        raise NotPackable(f"{folder / DESCRIPTION} is not what MLflow writes: it has no flavors")
    return described


def _features(signature: Any) -> tuple[Feature, ...] | None:
    """The columns of MLflow's *signature*; None for tensors, which have no names."""
    try:
        columns = json.loads(signature["inputs"])
        return tuple(
            Feature(
                name=column["name"],
                type=_TYPES[column["type"]],
                nullable=not column.get("required", True),
            )
            for column in columns
        )
    except (TypeError, KeyError, ValueError):
        return None


def _example(folder: Path, info: Any) -> tuple[Any, str | None]:
    """The input example as a DataFrame or array, and the name of its file."""
    import pandas as pd  # noqa: PLC0415 - half a second that few need

    if not isinstance(info, dict) or not isinstance(info.get("artifact_path"), str):
        return None, None
    name = info["artifact_path"]
    if Path(name).name != name:  # it would be read, and written, outside of the folders
        return None, None
    try:
        saved = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None, None
    if isinstance(saved, dict) and {"columns", "data"} <= saved.keys():
        return pd.DataFrame(saved["data"], columns=saved["columns"]), name
    if isinstance(saved, dict) and isinstance(saved.get("inputs"), list):
        return pd.DataFrame(saved["inputs"]).to_numpy(), name
    return None, name
