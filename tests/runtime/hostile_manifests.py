"""Manifests that are none, or that describe another model than the one beside them."""

from collections.abc import Callable, Iterator
from typing import Any

import skops.io
from sklearn.cluster import DBSCAN
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from runtime.hostile_artifact import (
    MIB,
    Hostile,
    Spoil,
    X,
    Y,
    changed,
    differing,
    edit,
    missing,
    overwrite,
    put,
    unloadable,
    unsafe,
)


def hostile_manifests() -> Iterator[Hostile]:
    def broken(name: str, content: bytes, words: str = "is no manifest") -> Hostile:
        spoil = overwrite("manifest.json", content)
        return unloadable(f"manifest: {name}", spoil, words)

    def wrong(name: str, change: Callable[[dict[str, Any]], Any], words: str) -> Hostile:
        return unloadable(f"manifest: {name}", edit(change), words)

    yield broken("empty", b"")
    yield broken("no JSON", b"version: 1\n")
    yield broken("a list", b"[]")
    yield broken("UTF-16", '{"schema_version": 1}'.encode("utf-16"))
    yield broken("nested a hundred thousand deep", b"[" * 100_000)
    yield broken("a million empty objects", b"[" + b"{}," * 1_000_000 + b"{}]", "more than 250000")
    yield changed(
        "manifest: nine megabytes",
        overwrite("manifest.json", b" " * 9 * MIB),
        "is longer than the 8388608 bytes",
    )
    yield wrong("of the future", lambda m: m.update(schema_version=2), "schema_version")
    yield wrong("no name", lambda m: m.pop("name"), "name")
    yield wrong("a name that is a path", lambda m: m.update(name="../x"), "name")
    for path in ("../outside", "/etc/passwd", "a/../../b", "..\\b", "model\0.skops"):
        yield wrong(f"the path {path!r}", lambda m, p=path: m["files"][0].update(path=p), "leaves")
    yield wrong("a size below zero", lambda m: m["files"][0].update(size=-1), "size")
    yield wrong("a size of a petabyte", lambda m: m["files"][0].update(size=10**15), "size")
    yield wrong("a hash that is none", lambda m: m["files"][0].update(sha256="0"), "sha256")
    yield wrong(
        "a file twice", lambda m: m["files"].append(m["files"][0]), "two files have one path"
    )
    yield wrong("a feature twice", _feature_twice, "two features have one name")
    yield wrong("no features", lambda m: m["signature"].update(features=[]), "features")
    yield wrong("not a number", lambda m: m["metrics"].update(accuracy=float("nan")), "accuracy")
    yield wrong("a tolerance of anything", lambda m: m["golden"].update(tolerance=1e9), "tolerance")
    yield wrong("a golden row too short", lambda m: m["golden"]["rows"][0].pop(), "golden row")
    yield wrong("an answer too few", lambda m: m["golden"]["predictions"].pop(), "12 rows, but 11")
    yield wrong("a list of nothing", lambda m: m["golden"].update(rows=[]), "rows")
    yield unsafe(
        "manifest: an unknown format", edit(lambda m: _only(m, "zip")), "has zip, but allowed are"
    )
    yield unsafe("manifest: no model", edit(lambda m: _only(m, None)), "has no model file")
    yield missing(
        "manifest: a file that is not there",
        edit(lambda m: m["files"][0].update(path="other.skops")),
        "other.skops does not exist",
    )
    yield Hostile(
        "manifest: another version",
        lambda *_: {"model_version": "2.0.0"},
        "VersionMismatch",
        "2.0.0 is wanted",
    )
    yield Hostile(
        "manifest: another scikit-learn",
        edit(
            lambda m: m["framework_versions"].update({"scikit-learn": "0.24.2"}),
            version_mismatch="refuse",
        ),
        "VersionMismatch",
        r"made by scikit-learn 0\.24\.2",
    )


def _feature_twice(manifest: dict[str, Any]) -> None:
    features = manifest["signature"]["features"]
    features[1]["name"] = features[0]["name"]


def _only(manifest: dict[str, Any], format_: str | None) -> None:
    manifest["files"] = [{**manifest["files"][0], "format": format_}]


def hostile_models() -> Iterator[Hostile]:
    def golden(change: Callable[[dict[str, Any]], Any]) -> Spoil:
        return edit(lambda manifest: change(manifest["golden"]))

    def model(value: Any) -> Spoil:
        return put("skops", lambda _: skops.io.dumps(value))

    yield unloadable(
        "a class too few",
        edit(lambda m: m["classes"].pop()),
        r"knows the classes \[0, 1\], but the manifest describes \[0\]",
    )
    yield unloadable(
        "a class too many",
        edit(lambda m: m["classes"].append({"label": 2, "name": "other"})),
        r"describes \[0, 1, 2\]",
    )
    yield unloadable(
        "classes in another order", edit(lambda m: m["classes"].reverse()), r"describes \[1, 0\]"
    )
    yield unloadable(
        "classes of another type", edit(lambda m: m["classes"][0].update(label="0")), "describes"
    )
    yield unloadable("a feature too few", edit(_narrow), "describes 29")
    yield differing(
        "a golden label changed",
        golden(lambda g: g["predictions"].__setitem__(3, 7)),
        "number 4: prediction 7 was",
    )
    yield differing(
        "a golden probability changed",
        golden(lambda g: g["probabilities"][5].__setitem__(0, 0.123)),
        "number 6: for class .*, probability 0.123 was",
    )
    yield differing(
        "a golden row changed", golden(lambda g: g["rows"][2].__setitem__(0, 99.0)), "number 3"
    )
    yield differing("two columns swapped", edit(_swap_columns), "golden examples")
    yield unloadable("a list", model([1, 2, 3]), "list, which has no predict")
    yield unloadable(
        "an estimator that was never fitted", model(LogisticRegression()), "knows the classes"
    )
    yield unloadable("an estimator without predict", model(DBSCAN().fit(X)), "has no predict")
    yield unloadable(
        "an estimator of other columns",
        model(LogisticRegression(max_iter=5000).fit(X[:, :2], Y)),
        "takes 2 features",
    )
    yield differing(
        "another model", model(DecisionTreeClassifier(random_state=0).fit(X, Y)), "golden examples"
    )


def _narrow(manifest: dict[str, Any]) -> None:
    manifest["signature"]["features"].pop()
    for row in manifest["golden"]["rows"]:
        row.pop()


def _swap_columns(manifest: dict[str, Any]) -> None:
    for row in manifest["golden"]["rows"]:
        row[0], row[1] = row[1], row[0]
