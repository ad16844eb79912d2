"""Two decoders, one opinion."""

import json
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from modelserver_runtime.artifact import Feature, Signature
from modelserver_runtime.codec import MAX_EXPLAINED_BYTES, Codec, encode_batch, encode_one
from modelserver_runtime.engines import Outcome
from modelserver_runtime.errors import InvalidRequest

SIGNATURE = Signature(
    features=(
        Feature(name="size"),
        Feature(name="mean radius", nullable=True),
        Feature(name="count", type="int64"),
        Feature(name="flag", type="bool"),
        Feature(name="colour", type="string", nullable=True),
    ),
    outputs=(),
)
CODEC = Codec(SIGNATURE, max_rows=3)
GOOD = {"size": 1.5, "mean radius": None, "count": 3, "flag": True, "colour": "red"}

CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
    st.sampled_from([2**63, -(2**63), 2**63 - 1, 2**64, 1.0, -0.0, 1e308]),
)
LITERALS = st.sampled_from(
    ["1e999", "-1e999", "9" * 400, "1." + "0" * 400, "NaN", "Infinity", "-Infinity", "1e-999",
     "01", "+1", "1.", ".5", "0x10", "1e", "-", '"\\ud800"', "true", "nul", "3.0", "1e2", "-0"]
)  # fmt: skip
ROWS = st.one_of(
    st.fixed_dictionaries({}, optional={**dict.fromkeys(GOOD, CELLS), "more": CELLS}).map(
        json.dumps
    ),
    st.builds(
        lambda name, cell: json.dumps(GOOD | {name: 12345}).replace("12345", cell),
        st.sampled_from(list(GOOD)),
        LITERALS,
    ),
    st.builds(
        lambda name, cell: json.dumps(GOOD | {name: cell}), st.sampled_from(list(GOOD)), CELLS
    ),
)


def accepted_by_pydantic(model: type[BaseModel], body: bytes) -> BaseModel | None:
    """The slow decoder's verdict."""
    try:
        return model.model_validate_json(body)
    except ValidationError:
        return None


def accepted(decode: Any, body: bytes) -> Any:
    """The fast decoder's verdict."""
    try:
        return decode(body)
    except InvalidRequest:
        return None


@given(ROWS)
@example('{"size": 1, "size": 2, "mean radius": 1, "count": 1, "flag": false, "colour": null}')
@example(json.dumps(GOOD) + " ")
@example("\ufeff" + json.dumps(GOOD))
@example(json.dumps(GOOD | {"count": 2**63}))
def test_the_decoders_agree_on_a_row(text: str) -> None:
    """On what is valid, and on every value."""
    body = text.encode()
    slow = accepted_by_pydantic(CODEC.row_model, body)
    fast = accepted(CODEC.decode_row, body)
    assert (slow is None) == (fast is None), body
    if slow is not None:
        want = [getattr(slow, f"f{i}") for i in range(len(SIGNATURE.features))]
        assert fast[0].tolist() == want
        assert [type(cell) for cell in fast[0]] == [type(cell) for cell in want]


@given(st.lists(ROWS, max_size=4))
def test_the_decoders_agree_on_a_batch(texts: list[str]) -> None:
    """Also on how many rows it may have."""
    body = f'{{"records": [{",".join(texts)}]}}'.encode()
    slow = accepted_by_pydantic(CODEC.batch_model, body)
    fast = accepted(CODEC.decode_batch, body)
    assert (slow is None) == (fast is None), body
    assert fast is None or len(fast) == len(texts)


ANY_ROW = st.fixed_dictionaries(dict.fromkeys("abcd", CELLS))
FINITE = st.floats(allow_nan=False, allow_infinity=False)
FITTING = st.fixed_dictionaries(
    {"a": FINITE, "b": st.integers(-9, 9), "c": st.booleans(), "d": st.none() | FINITE}
)
NUMBERS = Signature(
    features=(
        Feature(name="a"),
        Feature(name="b", type="int64"),
        Feature(name="c", type="bool"),
        Feature(name="d", nullable=True),
    ),
    outputs=(),
)


@given(
    st.lists(st.one_of(FITTING, ANY_ROW), min_size=1, max_size=3),
    st.booleans(),
)
def test_a_matrix_of_numbers_has_the_values_that_were_sent(
    rows: list[dict[str, Any]],
    nullable: bool,  # noqa: FBT001 - drawn
) -> None:
    """Null is NaN, true is 1; the short way for columns that miss nothing decodes the same."""
    features = NUMBERS.features if nullable else NUMBERS.features[:3]
    codec = Codec(Signature(features=features, outputs=()), max_rows=3)
    names = [feature.name for feature in features]
    body = json.dumps({"records": [{n: row[n] for n in names} for row in rows]}).encode()
    slow = accepted_by_pydantic(codec.batch_model, body)
    fast = accepted(codec.decode_batch, body)
    assert (slow is None) == (fast is None), body
    if slow is None:
        return
    want = [[getattr(r, f"f{i}") for i in range(len(names))] for r in slow.records]
    matrix = np.array([[np.nan if c is None else float(c) for c in row] for row in want])
    assert fast.dtype == np.float64
    assert fast.flags.writeable  # steps that are told not to copy write into it
    assert np.array_equal(fast, matrix, equal_nan=True)


@given(st.binary(max_size=40))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    """Never anything else."""
    for model, decode in (
        (CODEC.row_model, CODEC.decode_row),
        (CODEC.batch_model, CODEC.decode_batch),
    ):
        assert (accepted_by_pydantic(model, body) is None) == (accepted(decode, body) is None)


def test_of_a_batch_the_first_row_that_does_not_fit_is_explained() -> None:
    """All that is wrong with it: of everything in every row there is no end."""
    wrong = GOOD | {"size": "1.5", "flag": 1, "more": 2}
    with pytest.raises(InvalidRequest) as refused:
        CODEC.decode_batch(orjson.dumps({"records": [GOOD, wrong, {}]}))
    assert [(tuple(error["loc"]), error["type"]) for error in refused.value.detail or ()] == [
        (("body", "records", 1, "size"), "float_type"),
        (("body", "records", 1, "flag"), "bool_type"),
        (("body", "records", 1, "more"), "extra_forbidden"),
    ]


def test_of_a_long_body_one_error_is_told_with_its_place() -> None:
    """In the fast decoder's words."""
    long = GOOD | {"colour": "x" * MAX_EXPLAINED_BYTES, "size": "1.5"}
    with pytest.raises(InvalidRequest) as refused:
        CODEC.decode_batch(orjson.dumps({"records": [GOOD, long]}))
    [error] = refused.value.detail or ()
    assert (error["type"], error["loc"]) == ("value_error", ["body"])
    assert error["msg"] == "Expected `float`, got `str` - at `$.records[1].size`"
    assert refused.value.details == f"body: {error['msg']}"


def test_a_long_key_is_not_sent_back() -> None:
    """Whoever sends megabytes for a name gets a sentence."""
    with pytest.raises(InvalidRequest) as refused:
        CODEC.decode_row(orjson.dumps({"x" * MAX_EXPLAINED_BYTES: 1}))
    assert "unknown field" in refused.value.details
    assert len(refused.value.details) < 2000


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        pytest.param(b"[]", "model_type", "Input should be an object", id="no object"),
        pytest.param(
            b'{"records": {}}', "list_type", "Input should be a valid array", id="no list"
        ),
        pytest.param(
            b'{"records": [',
            "json_invalid",
            "Invalid JSON: EOF while parsing a list at line 1 column 13",
            id="no JSON",
        ),
    ],
)
def test_what_is_wrong_is_said_in_words_of_json(body: bytes, kind: str, message: str) -> None:
    """Not in Python's, which is what pydantic looks at."""
    with pytest.raises(InvalidRequest) as refused:
        CODEC.decode_batch(body)
    [error] = refused.value.detail or ()
    assert (error["type"], error["msg"]) == (kind, message)


def test_a_column_of_numbers_makes_a_batch_of_floats() -> None:
    """With text, the batch is objects as scikit-learn wants them."""
    numbers = Codec(
        Signature(features=(Feature(name="a"), Feature(name="b")), outputs=()), max_rows=2
    )
    assert numbers.decode_row(b'{"b": 2, "a": 1}').dtype == np.float64
    assert numbers.decode_batch(b'{"records": [{"b": 2, "a": 1}]}').tolist() == [[1, 2]]
    assert CODEC.decode_row(orjson.dumps(GOOD)).dtype == object


@pytest.mark.parametrize(
    ("predictions", "want"),
    [
        pytest.param(np.array([1.5]), 1.5, id="a number"),
        pytest.param(np.array(["benign"]), "benign", id="text"),
        pytest.param(np.array(["benign"], dtype=object), "benign", id="text object"),
        pytest.param(np.array([[0, 1]]), [0, 1], id="several outputs"),
        pytest.param(np.array([True]), True, id="truth"),
    ],
)
def test_labels_are_written_as_they_are(predictions: Any, want: Any) -> None:
    """Without probabilities, both fields are null."""
    one = json.loads(encode_one(Outcome(predictions)))
    assert (one["prediction"], one["probability"], one["confidence"]) == (want, None, None)
    batch = json.loads(encode_batch(Outcome(predictions)))
    assert batch["predictions"] == [{"prediction": want, "probability": None, "confidence": None}]
