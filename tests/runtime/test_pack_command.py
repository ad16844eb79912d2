"""`modelserver pack`: what it writes, and one sentence for everything that it cannot pack."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import Birch
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

from runtime.command import Done, modelserver
from runtime.estimators import DIABETES, IRIS, people, people_pipeline
from runtime.process import BUNDLED

X, Y = IRIS
NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
TABLE = pd.DataFrame(X, columns=NAMES)


class Untold(ClassifierMixin, BaseEstimator):
    """A classifier that forgot what scikit-learn asks of it."""

    def fit(self, _rows: Any, _target: Any) -> "Untold":
        """Learn nothing."""
        self.fitted_ = True
        return self

    def predict(self, rows: Any) -> Any:
        """Say nothing of interest."""
        return np.zeros(len(rows), int)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A pickled classifier of irises that was trained on a DataFrame."""
    path = tmp_path / "iris.joblib"
    joblib.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(TABLE, Y), path)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The rows it was trained on, and the answers."""
    path = tmp_path / "iris.csv"
    TABLE.assign(kind=Y).to_csv(path, index=False)
    return path


def saved(estimator: Any, tmp_path: Path) -> Path:
    """The path of *estimator* as a joblib file."""
    path = tmp_path / "model.joblib"
    joblib.dump(estimator, path)
    return path


def manifest(folder: Path) -> dict[str, Any]:
    """What was written."""
    return json.loads((folder / "manifest.json").read_text())


def refused(done: Done, code: int, *said: str) -> None:
    """One line on standard error, nothing else."""
    assert done.code == code, done
    for words in said:
        assert words in done.said
    assert "Traceback" not in done.err
    assert done.out == ""


def test_everything_that_is_given_is_in_the_manifest(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names, titles, metrics, ranges, histograms, examples; the same bytes each time."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    command = (
        *("pack", model, "--trust", "--data", data, "--target", "kind", "--name", "irises"),
        *("--version", "2.0.0", "--description", "Kinds", "--metric", "recall=0.9"),
        *("--class-names", "setosa,versicolor,virginica", "--title", "sepal_width=width of sepals"),
        *("--format", "skops,joblib"),
    )
    for folder in ("one", "two"):
        done = modelserver(*command, "-o", tmp_path / folder)
        assert (done.code, done.err) == (0, "")
    made = manifest(tmp_path / "one")
    assert made == manifest(tmp_path / "two")
    assert (made["name"], made["version"], made["description"]) == ("irises", "2.0.0", "Kinds")
    assert made["created"] == "2026-01-01T00:00:00Z"
    assert [c["name"] for c in made["classes"]] == ["setosa", "versicolor", "virginica"]
    assert made["signature"]["features"][1] == {
        "name": "sepal_width",
        "title": "width of sepals",
        "type": "float64",
        "nullable": False,
        "minimum": 2.0,
        "maximum": 4.4,
    }
    assert set(made["baseline"]) == set(NAMES)
    assert set(made["metrics"]) == {"accuracy", "f1_score", "recall"}
    assert [f["format"] for f in made["files"]] == ["skops", "joblib"]
    assert len(made["golden"]["rows"]) == 12


@pytest.mark.parametrize("suffix", [".joblib", ".pkl", ".skops", ""])
def test_a_file_is_known_by_what_it_holds(model: Path, tmp_path: Path, suffix: str) -> None:
    """A pickle needs trust, whatever it is called; a skops file does not, and is kept as it is."""
    path = tmp_path / f"other{suffix}"
    estimator = joblib.load(model)
    if suffix == ".skops":
        skops.io.dump(estimator, path)
        assert modelserver("pack", path, "-o", tmp_path / "out").code == 0
        assert (tmp_path / "out" / "model.skops").read_bytes() == path.read_bytes()
        return
    path.write_bytes(pickle.dumps(estimator) if suffix == ".pkl" else model.read_bytes())
    refused(modelserver("pack", path, "-o", tmp_path / "out"), 85, "UnsafeFormat", "--trust")
    assert not (tmp_path / "out").exists()
    assert modelserver("pack", path, "--trust", "-o", tmp_path / "out").code == 0


def test_a_pickle_is_not_read_before_it_is_trusted(tmp_path: Path) -> None:
    """What it would have run has not run."""

    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Payload()))
    refused(modelserver("pack", path, "-o", tmp_path / "out"), 85, "to run what it holds")
    assert not (tmp_path / "ran").exists()


WRONG_MODELS: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "not fitted": (LogisticRegression, ("LogisticRegression is not fitted", "fit")),
    "not fitted inside": (
        lambda: make_pipeline(StandardScaler(), LogisticRegression()),
        ("Pipeline is not fitted",),
    ),
    "no predict": (lambda: StandardScaler().fit(X), ("StandardScaler has no predict",)),
    "no estimator": (lambda: {"model": 1}, ("dict has no predict",)),
    "no classes": (lambda: Untold().fit(X, Y), ("Untold is a classifier without classes_",)),
    "not for skops": (lambda: Birch().fit(X), ("skops file cannot hold", "joblib")),
}


@pytest.mark.parametrize("wrong", WRONG_MODELS)
def test_a_model_that_cannot_be_packed(wrong: str, tmp_path: Path) -> None:
    """Told what to do, and nothing is left behind."""
    make, said = WRONG_MODELS[wrong]
    np.save(tmp_path / "x.npy", X)
    out = tmp_path / "artifacts" / "out"
    done = modelserver(
        *("pack", saved(make(), tmp_path), "--trust", "-o", out, "--data", tmp_path / "x.npy")
    )
    refused(done, 65, *said)
    assert not list(out.parent.glob("*"))


def test_a_type_that_no_pod_would_load_is_found_now(tmp_path: Path) -> None:
    """Not when the pod starts."""
    model = saved(Untold().fit(X, Y), tmp_path)
    estimator = joblib.load(model)
    estimator.classes_ = np.array([0, 1, 2])
    joblib.dump(estimator, model)
    np.save(tmp_path / "x.npy", X)
    done = modelserver(
        *("pack", model, "--trust", "-o", tmp_path / "out", "--data", tmp_path / "x.npy")
    )
    refused(done, 85, "UnsafeFormat", "Untold")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "content", "code", "said"),
    [
        pytest.param("notes.txt", b"hello", 65, "is no model file", id="a text"),
        pytest.param(
            "model.joblib", b"hello", 81, "no joblib file that can be loaded", id="no pickle"
        ),
        pytest.param("model.pkl", b"", 81, "no joblib file that can be loaded", id="empty"),
        pytest.param("model.skops", b"PK\x03\x04", 65, "damaged zip file", id="half a zip file"),
    ],
)
def test_a_file_that_is_no_model(
    tmp_path: Path, name: str, content: bytes, code: int, said: str
) -> None:
    """By its content."""
    (tmp_path / name).write_bytes(content)
    refused(modelserver("pack", tmp_path / name, "--trust", "-o", tmp_path / "out"), code, said)


def test_a_path_that_is_no_model(tmp_path: Path) -> None:
    """Nothing, an empty folder, a folder that is an artifact already."""
    refused(modelserver("pack", tmp_path / "no", "-o", tmp_path / "out"), 65, "does not exist")
    (tmp_path / "empty").mkdir()
    refused(modelserver("pack", tmp_path / "empty", "-o", tmp_path / "out"), 65, "without MLmodel")
    shutil.copytree(BUNDLED, tmp_path / "made")
    (tmp_path / "made" / "MLmodel").unlink()
    done = modelserver("pack", tmp_path / "made", "-o", tmp_path / "out")
    refused(done, 65, "is an artifact already", "modelserver inspect")


def without(name: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        TABLE.drop(columns=name).to_csv(folder / "data.csv", index=False)
        return folder / "data.csv"

    return write


def of(name: str, content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return write


def array(rows: Any, name: str = "data.npy") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        np.save(folder / name, rows)
        return folder / name

    return write


@pytest.mark.parametrize(
    ("write", "options", "said"),
    [
        pytest.param(
            without("sepal_width"), (), "lacks the column sepal_width", id="a column less"
        ),
        pytest.param(array(X[:, :3]), (), "3 columns, but the model was trained on 4", id="narrow"),
        pytest.param(array(X[:0]), (), "has no row", id="no row"),
        pytest.param(array(X.reshape(2, 75, 4)), (), "3 dimensions", id="no table"),
        pytest.param(array(X.astype(complex)), (), "complex128, which no JSON", id="complex"),
        pytest.param(array(X), ("--target", "kind"), "has no names", id="no names"),
        pytest.param(of("data.csv", b""), (), "cannot be read", id="empty"),
        pytest.param(of("data.tsv", b"\xff\xfe\x00"), (), "cannot be read", id="no text"),
        pytest.param(
            of("data.csv", b"1.0,2.0\n3.0,4.0\n"), (), "names of the columns", id="no header"
        ),
        pytest.param(of("data.npy", b"hello"), (), "cannot be read", id="no array"),
        pytest.param(of("data.xlsx", b"hello"), (), "is no data file", id="a spreadsheet"),
        pytest.param(of("data.parquet", b"hello"), (), "pyarrow", id="no Parquet reader"),
        pytest.param(
            lambda folder: folder / "iris.csv",
            ("--target", "no"),
            "there is no column no",
            id="no target",
        ),
        pytest.param(
            lambda folder: folder / "iris.csv",
            ("--target", "sepal_width"),
            "lacks the column sepal_width",
            id="a feature for a target",
        ),
    ],
)
@pytest.mark.usefixtures("data")
def test_data_that_do_not_fit(
    model: Path, tmp_path: Path, write: Any, options: tuple[str, ...], said: str
) -> None:
    """One sentence that says what is wrong with them."""
    out = tmp_path / "out"
    done = modelserver("pack", model, "--trust", "-o", out, "--data", write(tmp_path), *options)
    refused(done, 65, said)
    assert not out.exists()


def test_answers_that_the_model_never_gives(model: Path, tmp_path: Path) -> None:
    """The target of another training."""
    TABLE.assign(kind=np.where(Y == 0, "setosa", "other")).to_csv(tmp_path / "d.csv", index=False)
    done = modelserver(
        *("pack", model, "--trust", "-o", tmp_path / "out"),
        *("--data", tmp_path / "d.csv", "--target", "kind"),
    )
    refused(done, 65, "other, setosa", "classes 0, 1, 2")


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        pytest.param(("--class-names", "a,b"), 65, "2 class names", id="too few names"),
        pytest.param(
            ("--title", "width=a"), 65, "a title is given for width", id="no such feature"
        ),
        pytest.param(("--title", "width"), 2, "NAME=TITLE", id="no title"),
        pytest.param(("--metric", "accuracy"), 2, "NAME=NUMBER", id="no number"),
        pytest.param(("--metric", "accuracy=high"), 2, "NAME=NUMBER", id="a word"),
        pytest.param(
            ("--format", "onnx"), 65, "onnx files are taken as they are", id="not written"
        ),
        pytest.param(("--colour", "red"), 2, "No such option", id="no option"),
    ],
)
def test_options_that_do_not_fit(
    model: Path, tmp_path: Path, options: tuple[str, ...], code: int, said: str
) -> None:
    """Said before anything is written."""
    refused(modelserver("pack", model, "--trust", "-o", tmp_path / "out", *options), code, said)
    assert not (tmp_path / "out").exists()


def test_a_column_that_the_model_does_not_know_is_left_out(
    model: Path, data: Path, tmp_path: Path
) -> None:
    """And said."""
    done = modelserver("pack", model, "--trust", "-o", tmp_path / "out", "--data", data)
    assert done.code == 0
    assert "does not know the columns kind: left out" in done.err
    assert "no metrics" in done.err


def test_a_folder_with_something_in_it_is_not_replaced_unless_asked(
    model: Path, tmp_path: Path
) -> None:
    """A failure leaves it as it was."""
    out = tmp_path / "out"
    assert modelserver("pack", model, "--trust", "-o", out).code == 0
    before = manifest(out)
    refused(modelserver("pack", model, "--trust", "-o", out), 2, "is not empty", "--force")
    refused(modelserver("pack", model, "--trust", "-o", model), 2, "is a file")
    failing = ("--force", "--class-names", "a")
    refused(modelserver("pack", model, "--trust", "-o", out, *failing), 65)
    assert manifest(out) == before
    done = modelserver("pack", model, "--trust", "-o", out, "--force", "--version", "2.0.0")
    assert done.code == 0
    assert manifest(out)["version"] == "2.0.0"


def test_only_an_artifact_is_replaced(model: Path, tmp_path: Path) -> None:
    """Not whatever else stands in the folder that was named by mistake."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "notes.txt").write_text("years of it")
    done = modelserver("pack", model, "--trust", "-o", work, "--force")
    refused(done, 2, "has no manifest.json", "only an artifact is replaced")
    assert (work / "notes.txt").read_text() == "years of it"


def test_what_the_machine_refuses(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder below a file, and a time that is none."""
    refused(modelserver("pack", model, "--trust", "-o", model / "out"), 74, "iris.joblib")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    done = modelserver("pack", model, "--trust", "-o", tmp_path / "out")
    refused(done, 64, "SOURCE_DATE_EPOCH")


def test_a_model_that_answers_nothing_finite(tmp_path: Path) -> None:
    """No client could read it."""
    estimator = LinearRegression().fit(X, Y)
    estimator.coef_[0] = np.nan
    done = modelserver("pack", saved(estimator, tmp_path), "--trust", "-o", tmp_path / "out")
    refused(done, 65, "NaN or infinity")


def test_an_index_in_the_file_is_no_column(model: Path, tmp_path: Path) -> None:
    """As pandas writes it, unless told not to."""
    TABLE.to_csv(tmp_path / "data.csv")
    done = modelserver(
        "pack", model, "--trust", "-o", tmp_path / "out", "--data", tmp_path / "data.csv"
    )
    assert done.code == 0
    assert "left out" not in done.err


def spread(rows: Any) -> Any:
    return rows * [1, 10, 100, 1000]


TEXTS = ["cheap pills now", "meeting at noon", "cheap watches", "lunch at noon"] * 5


@pytest.mark.parametrize(
    ("estimator", "within"),
    [
        pytest.param(
            make_pipeline(StandardScaler(), LogisticRegression()).fit(spread(X), Y),
            ([-10, -20, -1000, -4000], [20, 90, 2000, 9000]),
            id="a scaler knows middles and spreads",
        ),
        pytest.param(
            make_pipeline(MinMaxScaler(), LogisticRegression()).fit(spread(X), Y),
            ([0, 0, -600, -4000], [12, 80, 1500, 5000]),
            id="a scaler knows ranges",
        ),
        pytest.param(
            RandomForestClassifier(5, random_state=0).fit(spread(X), Y),
            ([0, 0, -600, -4000], [12, 80, 1500, 5000]),
            id="trees know where they split",
        ),
        pytest.param(
            GradientBoostingRegressor(n_estimators=5).fit(spread(X), Y),
            ([-10, -100, -600, -4000], [20, 100, 1500, 5000]),
            id="trees of boosting",
        ),
    ],
)
def test_without_data_examples_are_made_from_what_the_model_knows(
    estimator: Any, within: Any, tmp_path: Path
) -> None:
    """They are of the size of what it was trained on, and what is missing is said."""
    model = saved(estimator, tmp_path)
    done = modelserver("pack", model, "--trust", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    assert "made up from what the model knows" in done.err
    assert "ranges of the features are not known" in done.err
    made = manifest(tmp_path / "out")
    rows = np.array(made["golden"]["rows"])
    assert ((rows > within[0]) & (rows < within[1])).all()
    assert np.ptp(rows[:, 3]) > 100
    assert made["baseline"] == {}
    assert "minimum" not in made["signature"]["features"][0]


def test_without_data_categories_and_words_are_those_of_training(tmp_path: Path) -> None:
    """Encoders and vectorizers know them."""
    table = pd.DataFrame(
        {
            "subject": TEXTS,
            "plan": ["a", "b", None, "c"] * 5,
            "age": np.arange(20.0),
            "code": [1, 7] * 10,
        }
    )
    estimator = make_pipeline(
        make_column_transformer(
            (TfidfVectorizer(), "subject"),
            (OneHotEncoder(), ["plan"]),
            (OneHotEncoder(), ["code"]),
            (StandardScaler(), ["age"]),
        ),
        LogisticRegression(),
    ).fit(table, [0, 1] * 10)
    done = modelserver("pack", saved(estimator, tmp_path), "--trust", "-o", tmp_path / "out")
    assert done.code == 0, done.err
    made = manifest(tmp_path / "out")
    assert [(f["name"], f["type"]) for f in made["signature"]["features"]] == [
        ("subject", "string"),
        ("plan", "string"),
        ("age", "float64"),
        ("code", "float64"),
    ]
    subjects, plans, ages, codes = zip(*made["golden"]["rows"], strict=True)
    assert set(" ".join(subjects).split()) <= set(" ".join(TEXTS).split())
    assert set(plans) <= {"a", "b", "c"}
    assert set(codes) <= {1, 7}
    assert len(set(ages)) == 12


def test_texts_alone_and_nothing_known(tmp_path: Path) -> None:
    """A pipeline of texts has one column; a model that cannot tell its columns needs data."""
    estimator = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, [0, 1] * 10)
    model = saved(estimator, tmp_path)
    assert modelserver("pack", model, "--trust", "-o", tmp_path / "out").code == 0
    assert manifest(tmp_path / "out")["signature"]["features"][0]["name"] == "text"
    table, labels = people()
    model = saved(
        people_pipeline().fit(table.dropna(), labels[table.notna().all(axis=1)]), tmp_path
    )
    assert modelserver("pack", model, "--trust", "-o", tmp_path / "known").code == 0
    untold = Untold().fit(X, Y)
    untold.classes_ = np.array([0])
    done = modelserver("pack", saved(untold, tmp_path), "--trust", "-o", tmp_path / "none")
    refused(done, 65, "does not know its columns", "as data")


def test_another_scikit_learn_is_warned_of_or_refused(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pickle says which one made it."""
    estimator = joblib.load(model)
    monkeypatch.setattr("sklearn.base.__version__", "1.1.0")  # what it writes beside each estimator
    joblib.dump(estimator, model)
    monkeypatch.undo()
    done = modelserver("pack", model, "--trust", "-o", tmp_path / "out")
    assert done.code == 0
    assert "made by scikit-learn 1.1.0" in done.err
    done = modelserver("pack", model, "--trust", "-o", tmp_path / "strict", "--strict")
    refused(done, 84, "VersionMismatch", "1.1.0")


def test_an_array_has_one_type(tmp_path: Path) -> None:
    """A column of whole numbers in the file was floats to a model that was trained on an array."""
    x, y = DIABETES
    names = [f"s{i}" for i in range(10)]
    table = pd.DataFrame(x, columns=names).assign(s1=np.arange(len(x)))
    estimator = GradientBoostingRegressor(n_estimators=3).fit(table.to_numpy(), y)
    table.to_csv(tmp_path / "data.csv", index=False)
    done = modelserver(
        *("pack", saved(estimator, tmp_path), "--trust", "-o", tmp_path / "out"),
        *("--data", tmp_path / "data.csv"),
    )
    assert done.code == 0, done.err
    features = manifest(tmp_path / "out")["signature"]["features"]
    assert [f["name"] for f in features] == names
    assert {f["type"] for f in features} == {"float64"}
