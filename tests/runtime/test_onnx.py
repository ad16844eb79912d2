"""ONNX files are served as scikit-learn's own models are, and open no door."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
from onnx import ModelProto, TensorProto, helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import StringTensorType
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from modelserver_runtime import formats
from modelserver_runtime.artifact import Feature
from modelserver_runtime.engines.onnx import OnnxEngine
from modelserver_runtime.engines.onnx_estimator import OnnxClassifier
from modelserver_runtime.errors import GoldenMismatch, ModelLoadFailed, UnsafeFormat
from modelserver_runtime.loading import load
from modelserver_runtime.settings import from_environment
from runtime.in_process import asked
from runtime.onnx_make import artifact_of, converted, graph, summed

SEED = 7
X, Y = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]
DX, DY = load_diabetes(return_X_y=True)
SINGLE = X.astype(np.float32)


def loaded(folder: Path, **settings: str) -> Any:
    """The model that the runtime makes of the artifact in *folder*."""
    return load(from_environment({"MODEL_PATH": str(folder)} | settings))


def scaled(model: Any) -> Any:
    """*model* behind a scaler."""
    return make_pipeline(StandardScaler(), model)


NO_MAP = {"zipmap": False}
CLASSIFIERS = [
    pytest.param(scaled(LogisticRegression()), Y, SINGLE, {}, id="dictionaries, numbers"),
    pytest.param(scaled(LogisticRegression()), NAMES, SINGLE, {}, id="dictionaries, texts"),
    pytest.param(scaled(LogisticRegression()), NAMES, SINGLE, NO_MAP, id="matrix, texts"),
    pytest.param(scaled(LogisticRegression()), Y + 3, X, NO_MAP, id="matrix, float64"),
    pytest.param(
        GradientBoostingClassifier(n_estimators=5, random_state=SEED), Y, SINGLE, NO_MAP, id="trees"
    ),
    pytest.param(GaussianNB(), NAMES, SINGLE, NO_MAP, id="classes in a table of texts"),
    pytest.param(KNeighborsClassifier(), Y, SINGLE, NO_MAP, id="a scan over the neighbours"),
    pytest.param(
        scaled(MLPClassifier((5,), max_iter=900, random_state=SEED)), Y, SINGLE, NO_MAP, id="layers"
    ),
]


@pytest.mark.parametrize(("estimator", "labels", "like", "options"), CLASSIFIERS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_classifier_answers_as_scikit_learn_does(
    estimator: Any, labels: Any, like: Any, options: dict[str, Any], tmp_path: Path
) -> None:
    """Labels of their own type, and probabilities in the order of the classes."""
    estimator.fit(X, labels)
    where = {id(estimator): options} if options else {}
    content = converted(estimator, like, where)
    artifact_of(content, estimator, X, tmp_path)
    model = loaded(tmp_path)
    outcome = model.predict(X)
    assert (model.engine.name, model.format) == ("onnx", "onnx")
    # float32 puts a row that lies on a threshold on its other side.
    assert np.mean(outcome.predictions == estimator.predict(X)) > 0.98
    want = estimator.predict_proba(X)
    assert np.median(np.abs(outcome.probabilities - want)) < 1e-6
    chosen = estimator.classes_.tolist().index(outcome.predictions[0])
    assert outcome.confidence[0] == outcome.probabilities[0, chosen]
    assert model.class_names == [str(c) for c in estimator.classes_]


@pytest.mark.parametrize(
    ("estimator", "target", "like"),
    [
        pytest.param(LinearRegression(), DY, DX, id="linear, float64"),
        pytest.param(RandomForestRegressor(5, random_state=SEED), DY, SINGLE[:1, :], id="forest"),
        pytest.param(LinearRegression(), np.column_stack([DY, -DY]), DX, id="two outputs"),
    ],
)
def test_a_regressor_has_no_probability(
    estimator: Any, target: Any, like: Any, tmp_path: Path
) -> None:
    """One number a row, or a list of them."""
    x = DX[:, :4]
    estimator.fit(x, target)
    artifact_of(converted(estimator, x.astype(like.dtype)), estimator, x, tmp_path)
    outcome = loaded(tmp_path).predict(x)
    want = estimator.predict(x)
    assert outcome.predictions.shape == want.shape
    assert outcome.probabilities is None
    assert np.median(np.abs(outcome.predictions / want - 1)) < 1e-5


def test_the_distances_of_a_clusterer_are_no_probabilities(tmp_path: Path) -> None:
    """A second output alone makes no classifier."""
    estimator = KMeans(3, random_state=SEED, n_init=1).fit(X)
    artifact_of(converted(estimator, SINGLE), estimator, X, tmp_path)
    outcome = loaded(tmp_path).predict(X)
    assert outcome.predictions.tolist() == estimator.predict(X).tolist()
    assert outcome.probabilities is None


def test_scores_are_no_probabilities() -> None:
    """A support vector machine writes its scores where others write probabilities."""
    model = formats.parse(converted(LinearSVC().fit(X, Y), SINGLE), "onnx", "model.onnx")
    with pytest.raises(ValueError, match="is no probability"):
        model.predict_proba(X)


def people() -> tuple[pd.DataFrame, Any]:
    """A table of numbers and texts."""
    chance = np.random.default_rng(SEED)
    table = pd.DataFrame(
        {
            "age": chance.uniform(20, 70, 200).astype(np.float32),
            "home town": chance.choice(["Ulm", "Rome", "Oslo"], 200),
            "children": chance.integers(0, 4, 200),
        }
    )
    return table, np.where((table["age"] > 40) ^ (table["home town"] == "Ulm"), "yes", "no")


def people_artifact(folder: Path, unknown: str = "error") -> Any:
    """A model with an input for each column; returns the estimator."""
    table, labels = people()
    estimator = make_pipeline(
        make_column_transformer(
            (StandardScaler(), ["age", "children"]),
            (OneHotEncoder(handle_unknown=unknown), ["home town"]),
        ),
        LogisticRegression(),
    ).fit(table, labels)
    content = converted(estimator, table[:1], {id(estimator): NO_MAP})
    artifact_of(content, estimator, table, folder)
    return estimator


async def test_a_model_with_an_input_for_each_column_is_asked_in_every_dialect(
    tmp_path: Path,
) -> None:
    """By the names of its columns, texts among them."""
    estimator = people_artifact(tmp_path)
    table, _ = people()
    want = estimator.predict_proba(table[:2])
    records = [
        {"age": float(row["age"]), "home town": row["home town"], "children": int(row["children"])}
        for _, row in table[:2].iterrows()
    ]
    tensors = [
        {"name": name, "datatype": type_, "shape": [2], "data": [r[name] for r in records]}
        for name, type_ in (("age", "FP64"), ("home town", "BYTES"), ("children", "INT64"))
    ]
    async with asked(from_environment({"MODEL_PATH": str(tmp_path)})) as client:

        async def post(path: str, body: Any) -> Any:
            answer = await client.post(path, json=body)
            assert answer.status_code == httpx.codes.OK, answer.text
            return answer.json()

        one = await post("/predict", records[0])
        batch = await post("/batch-predict", {"records": records})
        v1 = await post("/v1/models/model:predict", {"instances": records})
        v2 = await post(
            "/v2/models/model/infer",
            {"inputs": tensors, "outputs": [{"name": "predict"}, {"name": "predict_proba"}]},
        )
        mlflow = await post("/invocations", {"dataframe_records": records})
        metadata = (await client.get("/model/metadata")).json()
        strange = await client.post("/predict", json=records[0] | {"home town": "Atlantis"})
        documented = (await client.get("/openapi.json")).status_code
    labels = estimator.predict(table[:2]).tolist()
    assert np.abs(np.array(one["probability"]) - want[0]).max() < 1e-5
    assert [p["prediction"] for p in batch["predictions"]] == labels
    assert (v1["predictions"], mlflow["predictions"]) == (labels, labels)
    assert v2["outputs"][0]["data"] == labels
    assert (metadata["engine"], metadata["format"]) == ("onnx", "onnx")
    assert metadata["classes"] == ["no", "yes"]
    assert (strange.status_code, documented) == (400, 200)


def test_a_model_of_texts(tmp_path: Path) -> None:
    """Its words are cut by an operator that skl2onnx takes from outside the standard."""
    texts = ["cheap pills now", "meeting at noon", "cheap watches", "lunch at noon"] * 5
    estimator = make_pipeline(CountVectorizer(lowercase=False), LogisticRegression())
    estimator.fit(texts, [1, 0, 1, 0] * 5)

    content = convert_sklearn(
        estimator, initial_types=[("text", StringTensorType([None, 1]))]
    ).SerializeToString()
    artifact_of(content, estimator, texts, tmp_path)
    outcome = loaded(tmp_path).predict(np.array([["cheap lunch"]], dtype=object))
    want = estimator.predict_proba(["cheap lunch"])
    assert np.abs(outcome.probabilities - want).max() < 1e-5


def test_a_file_without_a_manifest_is_served_as_far_as_it_can_be(tmp_path: Path) -> None:
    """Names, types and classes are those that it tells."""
    people_artifact(tmp_path, unknown="ignore")
    (tmp_path / "manifest.json").unlink()
    model = loaded(tmp_path / "model.onnx")
    columns = [(f.name, f.type) for f in model.manifest.signature.features]
    assert columns == [("age", "float64"), ("home_town", "string"), ("children", "int64")]
    assert model.class_names == ["no", "yes"]


def test_a_model_that_answers_otherwise_is_refused(tmp_path: Path) -> None:
    """Golden examples hold for every format."""
    estimator = LogisticRegression(max_iter=900).fit(X, Y)
    other = LogisticRegression(C=0.01, max_iter=900).fit(X, Y)
    artifact_of(converted(other, SINGLE), estimator, X, tmp_path)
    with pytest.raises(GoldenMismatch):
        loaded(tmp_path)


def external() -> ModelProto:
    """A tensor that lies in another file."""
    model = summed()
    tensor = model.graph.initializer[0]
    tensor.ClearField("int64_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/hostname")
    return model


def in_memory() -> ModelProto:
    """A tensor at an address of the process's own memory, as onnxruntime notes it."""
    model = external()
    del model.graph.initializer[0].external_data[:]
    for key, value in (("location", "*/_ORT_MEM_ADDR_/*"), ("offset", "4096"), ("length", "8")):
        model.graph.initializer[0].external_data.add(key=key, value=value)
    return model


def hidden() -> ModelProto:
    """The same, in the constant of a branch that is never taken."""
    tensor = external().graph.initializer[0]
    tensor.name = "inner"
    branch = helper.make_graph(
        [
            helper.make_node("Constant", [], ["axis"], value=tensor),
            helper.make_node("ReduceSum", ["x", "axis"], ["z"], keepdims=1),
        ],
        "branch",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [None, 1])],
    )
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    node = helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)
    return graph([node], initializers=[yes])


def looping() -> ModelProto:
    """A loop of as many rounds as there are whole numbers."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Identity", ["before"], ["after"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, [None, 4]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, [None, 4]),
        ],
    )
    rounds = helper.make_tensor("rounds", TensorProto.INT64, [], [2**62])
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    node = helper.make_node("Loop", ["rounds", "yes", "x"], ["y"], body=body)
    return graph([node], initializers=[rounds, yes], outputs=4)


def with_a_function() -> ModelProto:
    """An operator that the file itself defines."""
    model = graph([helper.make_node("Mine", ["x"], ["y"], domain="elsewhere")], outputs=4)
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    opsets = [helper.make_opsetid("", 18)]
    model.functions.append(helper.make_function("elsewhere", "Mine", ["x"], ["y"], nodes, opsets))
    return model


def foreign() -> ModelProto:
    """An operator of nobody's."""
    return graph([helper.make_node("Run", ["x"], ["y"], domain="elsewhere")], outputs=4)


def many_nodes() -> ModelProto:
    """More nodes than a model of a table has."""
    names = ["x", *(f"n{i}" for i in range(10_000)), "y"]
    pairs = itertools.pairwise(names)
    return graph([helper.make_node("Identity", [a], [b]) for a, b in pairs], outputs=4)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(external, "another file", id="external data"),
        pytest.param(in_memory, "another file", id="external data that is an address"),
        pytest.param(hidden, "another file", id="external data inside a branch"),
        pytest.param(looping, "Loop, which need not end", id="loop"),
        pytest.param(with_a_function, "functions of its own", id="function"),
        pytest.param(foreign, "Run of elsewhere", id="operator of another domain"),
        pytest.param(many_nodes, "more than 10000 nodes", id="nodes"),
    ],
)
def test_what_could_do_more_than_compute_is_refused(
    make: Callable[[], ModelProto], why: str
) -> None:
    """Before onnxruntime sees it."""
    with pytest.raises(UnsafeFormat, match=why):
        formats.parse(make().SerializeToString(), "onnx", "model.onnx")


def test_a_model_in_onnxruntimes_own_format_is_not_read() -> None:
    """It would be read by a parser that nobody looked over the shoulder of."""
    content = b"\x18\0\0\0ORTM" + bytes(64)
    with pytest.raises(ModelLoadFailed):
        formats.parse(content, "onnx", "model.onnx")


def test_one_answer_for_all_rows_is_no_answer() -> None:
    """A graph that sums over rows would give each client the others' answer."""
    estimator = formats.parse(summed(axis=0).SerializeToString(), "onnx", "model.onnx")
    with pytest.raises(ValueError, match="1 answers for 150 rows"):
        estimator.predict(X)


def tensor(name: str, type_: int, shape: list[Any]) -> Any:
    """An input."""
    return helper.make_tensor_value_info(name, type_, shape)


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        pytest.param([tensor("x", TensorProto.FLOAT, [1, 4])], "takes 1 rows", id="one row"),
        pytest.param([tensor("x", TensorProto.FLOAT, [None, 4, 4])], "no table", id="images"),
        pytest.param([tensor("x", TensorProto.FLOAT16, [None, 4])], "float16", id="half numbers"),
        pytest.param(
            [
                tensor("x", TensorProto.FLOAT, [None, 4]),
                tensor("z", TensorProto.FLOAT, [None, "n"]),
            ],
            "how wide",
            id="one of unknown width",
        ),
    ],
)
def test_what_takes_no_rows_of_a_table_is_refused(inputs: list[Any], why: str) -> None:
    """With the input's name."""
    with pytest.raises(ModelLoadFailed, match=why):
        formats.parse(summed(inputs=inputs).SerializeToString(), "onnx", "model.onnx")


def test_inputs_of_several_columns_are_filled_in_order() -> None:
    """Columns may come in groups, one tensor a group."""
    inputs = [
        tensor("a", TensorProto.FLOAT, [None, 3]),
        tensor("b", TensorProto.DOUBLE, [None]),
    ]
    nodes = [
        helper.make_node("Cast", ["b"], ["single"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["single", "axis"], ["column"]),
        helper.make_node("Concat", ["a", "column"], ["y"], axis=1),
    ]
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    model = graph(nodes, inputs=inputs, initializers=[axis], outputs=4)
    estimator = formats.parse(model.SerializeToString(), "onnx", "model.onnx")
    assert estimator.n_features_in_ == 4
    assert not hasattr(estimator, "feature_names_in_")
    assert np.allclose(estimator.predict(X), X)


@pytest.mark.parametrize(
    ("feature", "why"),
    [
        pytest.param(Feature(name="age", type="string"), "as float64", id="text for a number"),
        pytest.param(Feature(name="n", type="float64"), "as int64", id="fractions"),
        pytest.param(Feature(name="n", type="int64", nullable=True), "cannot", id="missing"),
    ],
)
def test_a_signature_of_other_types_is_refused(feature: Feature, why: str) -> None:
    """At load, not at the first value that does not fit."""
    type_ = TensorProto.FLOAT if feature.name == "age" else TensorProto.INT64
    cast = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)
    model = graph([cast], inputs=[tensor("x", type_, [None, 1])])
    estimator = formats.parse(model.SerializeToString(), "onnx", "model.onnx")
    with pytest.raises(ModelLoadFailed, match=why):
        OnnxEngine(estimator, [feature])


def test_classes_of_the_manifest_are_tried_on_the_file() -> None:
    """More or fewer than it has probabilities is noticed at the first row."""
    content = converted(LogisticRegression(max_iter=900).fit(X, Y), SINGLE)
    estimator = formats.parse(content, "onnx", "model.onnx")
    assert isinstance(estimator, OnnxClassifier)
    for labels in ([0, 1], [0, 1, 2, 3], [0, 1, 5]):
        with pytest.raises(ValueError, match="classes"):
            estimator.with_classes(labels).predict_proba(X)
