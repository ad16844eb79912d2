"""Artifacts that somebody made to do harm, or that were broken on their way."""

import bz2
import functools
import gzip
import io
import itertools
import json
import lzma
import operator
import os
import pickle
import subprocess
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import skops.io
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from onnx import TensorProto, helper
from sklearn.cluster import DBSCAN
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from runtime.artifact_make import Artifact
from runtime.onnx_make import graph, summed

Settings = Mapping[str, str]
Spoil = Callable[[Artifact, Path], Settings | None]

MIB = 2**20
IDS = itertools.count(1)
FILES = ("model.skops", "model.joblib", "MLmodel", "conda.yaml", "requirements.txt")
X, Y = load_breast_cancer(return_X_y=True)


@dataclass(frozen=True)
class Hostile:
    """
    One of them.

    Args:
        spoil: makes it of a copy of the bundled artifact. A payload in it makes the folder whose
            path is the second argument. Returns settings, named without their prefix.
        reason: that it is refused with.
        words: part of the sentence that says why; a regular expression.
        has_payload: something in it would run if anybody let it.
        only_in_process_of_its_own: it reaches for what the test's process should not risk.
    """

    name: str
    spoil: Spoil
    reason: str
    words: str
    has_payload: bool = False
    only_in_process_of_its_own: bool = False


class Calls:
    """Unpickling it calls a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self._call


class SetsState:
    """Unpickling it calls a function with its state, as `__setstate__` would be."""

    def __init__(self, canary: Path) -> None:
        self._canary = str(canary)

    def __reduce__(self) -> tuple[Any, ...]:
        return object, (), self._canary, None, None, os.mkdir


class Overloads:
    """A class whose `predict` nobody should ask."""

    def __init__(self, canary: Path) -> None:
        self.canary = str(canary)

    def __setstate__(self, state: dict[str, Any]) -> None:
        Path(state["canary"]).mkdir()

    def predict(self, rows: Any) -> Any:
        """Make the canary."""
        Path(self.canary).mkdir()
        return rows


def in_an_estimator(payload: Any) -> Any:
    """*payload* where a fitted estimator has a number."""
    estimator = LogisticRegression(max_iter=5000).fit(X[:, :2], Y)
    estimator.intercept_ = payload
    return estimator


def in_a_pipeline(payload: Any) -> Any:
    """*payload* as an attribute of a step."""
    return make_pipeline(in_an_estimator(payload))


PAYLOADS: Mapping[str, Callable[[Path], Any]] = {
    "os.system": lambda canary: Calls(os.system, f"mkdir {canary}"),
    "os.mkdir": lambda canary: Calls(os.mkdir, str(canary)),
    "subprocess": lambda canary: Calls(subprocess.check_call, ["mkdir", str(canary)]),
    "exec": lambda canary: Calls(exec, f"import os; os.mkdir({str(canary)!r})"),
    "eval": lambda canary: Calls(eval, f"__import__('os').mkdir({str(canary)!r})"),
    "a method": lambda canary: Calls(Path.mkdir, canary),
    "a partial": lambda canary: Calls(functools.partial(os.mkdir, str(canary))),
    "a state": SetsState,
    "a class of its own": Overloads,
    "an array of objects": lambda canary: np.array([Calls(os.mkdir, str(canary))], dtype=object),
    "a key": lambda canary: {"a": [{"b": (Calls(os.mkdir, str(canary)),)}]},
    "an estimator": lambda canary: in_an_estimator(Calls(os.mkdir, str(canary))),
    "a pipeline": lambda canary: in_a_pipeline(Calls(os.mkdir, str(canary))),
}

COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": functools.partial(lzma.compress, format=lzma.FORMAT_ALONE),
}


def pickled(payload: Any, protocol: int = 4) -> bytes:
    """A program for the unpickler."""
    return pickle.dumps(payload, protocol)


def dumped(payload: Any) -> bytes:
    """A joblib file."""
    out = io.BytesIO()
    joblib.dump(payload, out)
    return out.getvalue()


def saved(canary: Path) -> bytes:
    """A NumPy file of objects, which is a pickle behind a header."""
    out = io.BytesIO()
    np.save(out, np.array([Calls(os.mkdir, str(canary))], dtype=object), allow_pickle=True)
    return out.getvalue()


def schema_of(folder: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What is in the artifact's skops file."""
    with zipfile.ZipFile(folder / "model.skops") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(files.pop("schema.json")), files


def skops_file(schema: Any, files: Mapping[str, bytes]) -> bytes:
    """A skops file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        archive.writestr("schema.json", schema if isinstance(schema, str) else json.dumps(schema))
    return out.getvalue()


def node(loader: str, path: str, **more: Any) -> dict[str, Any]:
    """One object in a schema."""
    module, _, name = path.rpartition(".")
    return {
        "__loader__": loader,
        "__module__": module,
        "__class__": name,
        "__id__": next(IDS),
        **more,
    }


def text(value: Any) -> dict[str, Any]:
    """A plain value in a schema."""
    return node("JsonNode", "builtins.str", content=json.dumps(value), is_json=True)


def arguments(*values: Any) -> dict[str, Any]:
    """A tuple in a schema."""
    return node("TupleNode", "builtins.tuple", content=[text(value) for value in values])


def mapping(content: Mapping[str, Any]) -> dict[str, Any]:
    """A dictionary in a schema."""
    types = [node("TypeNode", "builtins.str") for _ in content]
    keys = node("ListNode", "builtins.list", content=types)
    return node("DictNode", "builtins.dict", content=dict(content), key_types=keys)


def partial_of(function: Any, *values: Any) -> dict[str, Any]:
    """A partial in a schema."""
    parts = {"func": function, "args": arguments(*values), "kwds": mapping({})}
    return node("PartialNode", "functools.partial", content=parts | {"namespace": text(None)})


def by_method(canary: Path) -> dict[str, Any]:
    """A bound method of a path."""
    path = node("ObjectNode", "pathlib.PosixPath", content=mapping({"_str": text(str(canary))}))
    return node("MethodNode", "pathlib.PosixPath", content={"func": "mkdir", "obj": path})


def by_operator(canary: Path) -> dict[str, Any]:
    """A caller of a method."""
    return node("OperatorFuncNode", "operator.methodcaller", attrs=arguments("mkdir", str(canary)))


SCHEMA_TRICKS: Mapping[str, tuple[Callable[[Path], dict[str, Any]], str]] = {
    "a function": (lambda _: node("FunctionNode", "os.system"), r"os\.system"),
    "a type": (lambda _: node("TypeNode", "subprocess.Popen"), r"subprocess\.Popen"),
    "a partial of a function": (
        lambda canary: partial_of(node("FunctionNode", "os.mkdir"), str(canary)),
        r"os\.mkdir",
    ),
    "a partial of a type": (
        lambda canary: partial_of(node("TypeNode", "os.mkdir"), str(canary)),
        r"os\.mkdir",
    ),
    "a list that is a function": (
        lambda canary: node("ListNode", "os.system", content=[text(str(canary))]),
        r"os\.system",
    ),
    "a set that is eval": (
        lambda canary: node("SetNode", "builtins.eval", content=[text(str(canary))]),
        r"builtins\.eval",
    ),
    "an array that is a function": (
        lambda _: node("NdArrayNode", "os.mkdir", type="json", content=[], shape=text([0])),
        r"os\.mkdir",
    ),
    "a constructor": (
        lambda canary: node(
            "ConstructorFromReduceNode", "os.mkdir", content=arguments(str(canary))
        ),
        r"os\.mkdir",
    ),
    "a method": (by_method, r"pathlib\.PosixPath"),
    "a caller of methods": (by_operator, r"operator\.methodcaller"),
    "a factory": (
        lambda _: node(
            "DefaultDictNode",
            "collections.defaultdict",
            content={"main": mapping({}), "default_factory": node("FunctionNode", "os.getcwd")},
        ),
        r"os\.getcwd",
    ),
    "a caller of an older protocol": (
        lambda canary: by_operator(canary) | {"protocol": 0},
        r"operator\.methodcaller",
    ),
    "a method of an older protocol": (
        lambda canary: by_method(canary) | {"protocol": 0},
        r"pathlib\.PosixPath",
    ),
    "a module that looks like ours": (
        lambda _: node("ObjectNode", "sklearn.linear_model._base.os.system", content=None),
        r"sklearn\.linear_model\._base\.os\.system",
    ),
    "an estimator's helper": (
        lambda _: node("FunctionNode", "sklearn.datasets.fetch_openml"),
        r"sklearn\.datasets\.fetch_openml",
    ),
}


def with_a_trick(make: Callable[[Path], dict[str, Any]]) -> Spoil:
    """The bundled model with one attribute of its pipeline replaced."""

    def spoil(artifact: Artifact, canary: Path) -> None:
        schema, files = schema_of(artifact.folder)
        schema["content"]["content"]["memory"] = make(canary)
        artifact.put("skops", skops_file(schema, files))

    return spoil


def put(format_: str, make: Callable[[Path], bytes], **settings: str) -> Spoil:
    """One model file, made with the canary's path."""

    def spoil(artifact: Artifact, canary: Path) -> Settings:
        artifact.put(format_, make(canary))
        return settings

    return spoil


def edit(change: Callable[[dict[str, Any]], Any], **settings: str) -> Spoil:
    """A changed manifest, not pinned."""

    def spoil(artifact: Artifact, _: Path) -> Settings:
        artifact.edit(change)
        return settings

    return spoil


def overwrite(name: str, content: bytes) -> Spoil:
    """Other bytes in one file."""
    return lambda artifact, _: artifact.path(name).write_bytes(content) and None


def hostile_artifacts() -> Iterator[Hostile]:
    """All of them."""
    yield from _pickles()
    yield from _skops()
    yield from _onnx()
    yield from _bytes()
    yield from _manifests()
    yield from _models()
    yield from _folders()
    yield from _signatures()
    yield from _bombs()


def _pickles() -> Iterator[Hostile]:
    for name, payload in PAYLOADS.items():
        yield Hostile(
            f"joblib that nobody allowed: {name}",
            put("joblib", lambda canary, p=payload: dumped(p(canary))),
            *("UnsafeFormat", "has joblib, but allowed are skops, onnx"),
            has_payload=True,
        )
    for name, compress in COMPRESSIONS.items():
        content = lambda canary, c=compress: c(pickled(Calls(os.mkdir, str(canary))))  # noqa: E731 - used four times
        yield Hostile(
            f"joblib allowed and not pinned, {name}",
            put("joblib", content, model_formats="joblib"),
            *("UnsafeFormat", "only when the artifact's digest is pinned"),
            has_payload=True,
        )
        yield Hostile(
            f"pickle called skops, {name}",
            put("skops", content),
            *("ModelLoadFailed", "is no skops file"),
            has_payload=True,
        )
        yield Hostile(
            f"pickle called onnx, {name}",
            put("onnx", content),
            *("ModelLoadFailed", "is no onnx file"),
            has_payload=True,
        )
        yield Hostile(
            f"lone joblib file, {name}",
            lone("model.joblib", content),
            *("UnsafeFormat", "has no manifest.json beside it"),
            has_payload=True,
        )
    yield Hostile(
        "lone pickle",
        lone("model.pkl", lambda canary: pickled(Calls(os.mkdir, str(canary)))),
        *("UnsafeFormat", "ends in none of"),
        has_payload=True,
    )
    yield Hostile(
        "payload put in after it was pinned",
        *(_swapped_payload, "DigestMismatch", "model.joblib has sha256"),
        has_payload=True,
    )
    yield Hostile(
        "payload, manifest and all, put in after it was pinned",
        *(_swapped_artifact, "DigestMismatch", "is pinned"),
        has_payload=True,
    )
    yield Hostile(
        "pickle of a format that is none",
        _pickle_format,
        "UnsafeFormat",
        "has pickle, but",
        has_payload=True,
    )
    yield Hostile(
        "pickle that is named",
        _named_pickle,
        "UnsafeFormat",
        "format 'pickle', which",
        has_payload=True,
    )


def lone(name: str, make: Callable[[Path], bytes]) -> Spoil:
    """A model file and nothing else."""

    def spoil(artifact: Artifact, canary: Path) -> Settings:
        path = artifact.folder.parent / name
        path.write_bytes(make(canary))
        return {"model_path": str(path)}

    return spoil


def _swapped_payload(artifact: Artifact, canary: Path) -> Settings:
    pinned = artifact.digest
    artifact.path("model.joblib").write_bytes(dumped(Calls(os.mkdir, str(canary))))
    return {"model_formats": "joblib", "model_digest": pinned}


def _swapped_artifact(artifact: Artifact, canary: Path) -> Settings:
    pinned = artifact.digest
    artifact.put("joblib", dumped(Calls(os.mkdir, str(canary))))
    return {"model_formats": "joblib", "model_digest": pinned}


def _pickle_format(artifact: Artifact, canary: Path) -> None:
    artifact.put("pickle", pickled(Calls(os.mkdir, str(canary))))


def _named_pickle(artifact: Artifact, canary: Path) -> Settings:
    _pickle_format(artifact, canary)
    return {"model_path": str(artifact.path("model.pickle"))}


def _skops() -> Iterator[Hostile]:
    for name, (make, words) in SCHEMA_TRICKS.items():
        yield Hostile(
            f"skops with {name}", with_a_trick(make), "UnsafeFormat", words, has_payload=True
        )
    yield Hostile(
        "skops with a pickle where an array should be",
        _array_of_objects,
        "ModelLoadFailed",
        "allow_pickle",
        has_payload=True,
    )
    yield Hostile(
        "skops of a class of one's own",
        put("skops", lambda canary: skops.io.dumps(Overloads(canary))),
        *("UnsafeFormat", "Overloads"),
        has_payload=True,
    )
    yield Hostile(
        "skops with a loader that is none",
        with_a_trick(lambda _: node("EvalNode", "builtins.eval", content="1")),
        *("ModelLoadFailed", "EvalNode"),
    )
    yield Hostile(
        "skops without a schema", put("skops", lambda _: _zip({})), "ModelLoadFailed", "schema.json"
    )
    yield Hostile(
        "skops whose schema is no JSON",
        put("skops", lambda _: skops_file("{", {})),
        "ModelLoadFailed",
        "is no skops file",
    )
    yield Hostile(
        "skops whose schema is a list",
        put("skops", lambda _: skops_file([], {})),
        "ModelLoadFailed",
        "is no skops file",
    )
    yield Hostile(
        "skops nested ten thousand deep",
        put("skops", lambda _: skops_file("[" * 10_000 + "]" * 10_000, {})),
        *("ModelLoadFailed", "is no skops file"),
    )
    yield Hostile("skops that is in itself", with_a_trick(_circle), "ModelLoadFailed", "skops")
    yield Hostile("skops whose array is missing", _missing_array, "ModelLoadFailed", r"\.npy")
    yield Hostile("skops whose array is cut off", _short_array, "ModelLoadFailed", "is no skops")
    yield Hostile("skops with two schemas", _two_schemas, "UnsafeFormat", "two files of one name")
    yield Hostile(
        "skops that says it is 100 GB", _declared_size, "UnsafeFormat", "would inflate to"
    )
    yield Hostile(
        "skops with a flipped bit under its checksum",
        _wrong_checksum,
        "ModelLoadFailed",
        "is no skops file",
    )
    yield Hostile(
        "skops of a tree that leads out of itself",
        put("skops", lambda _: _wild_tree()),
        "UnsafeFormat",
        "a tree has a branch",
    )


def _zip(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def _array_of_objects(artifact: Artifact, canary: Path) -> None:
    schema, files = schema_of(artifact.folder)
    files = {name: saved(canary) for name in files}
    artifact.put("skops", skops_file(schema, files))


def _circle(_: Path) -> dict[str, Any]:
    return node("CachedNode", "builtins.dict")


def _missing_array(artifact: Artifact, _: Path) -> None:
    schema, files = schema_of(artifact.folder)
    files.popitem()
    artifact.put("skops", skops_file(schema, files))


def _short_array(artifact: Artifact, _: Path) -> None:
    schema, files = schema_of(artifact.folder)
    artifact.put("skops", skops_file(schema, {name: c[:-8] for name, c in files.items()}))


def _two_schemas(artifact: Artifact, _: Path) -> None:
    content = artifact.path("model.skops").read_bytes()
    out = io.BytesIO(content)
    with zipfile.ZipFile(out, "a") as archive:
        info = zipfile.ZipInfo("schema2json")
        archive.writestr(info, "{}")
    artifact.put("skops", out.getvalue().replace(b"schema2json", b"schema.json"))


def _declared_size(artifact: Artifact, _: Path) -> None:
    out = io.BytesIO(artifact.path("model.skops").read_bytes())
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("zeros", b"0")
        archive.getinfo("zeros").file_size = 100 * 2**30
    artifact.put("skops", out.getvalue())


def _wrong_checksum(artifact: Artifact, _: Path) -> None:
    schema, files = schema_of(artifact.folder)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {"schema.json": json.dumps(schema).encode(), **files}.items():
            archive.writestr(name, content)
    content = bytearray(out.getvalue())
    content[200] ^= 1
    artifact.put("skops", bytes(content))


def _wild_tree() -> bytes:
    estimator = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, Y)
    state = estimator.tree_.__getstate__()
    state["nodes"]["left_child"][0] = 1_000_000
    estimator.tree_.__setstate__(state)
    return skops.io.dumps(estimator)


def _onnx() -> Iterator[Hostile]:
    def outside(_: Path) -> bytes:
        model = summed(width=30)
        tensor = model.graph.initializer[0]
        tensor.ClearField("int64_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="/proc/self/environ")
        return model.SerializeToString()

    def foreign(domain: str) -> Callable[[Path], bytes]:
        nodes = [helper.make_node("Anything", ["x"], ["y"], domain=domain)]
        return lambda _: graph(nodes, width=30).SerializeToString()

    def endless(_: Path) -> bytes:
        body = helper.make_graph([helper.make_node("Identity", ["go"], ["on"])], "b", [], [])
        nodes = [helper.make_node("Loop", ["", "", "x"], ["y"], body=body)]
        return graph(nodes, width=30).SerializeToString()

    def narrow(_: Path) -> bytes:
        return summed(width=29).SerializeToString()

    def other_answers(_: Path) -> bytes:
        return summed(width=30).SerializeToString()

    def cut_off(_: Path) -> bytes:
        return summed(width=30).SerializeToString()[:-20]

    yield Hostile(
        "onnx with a tensor in another file",
        put("onnx", outside),
        "UnsafeFormat",
        "in another file",
    )
    yield Hostile(
        "onnx with a foreign operator",
        put("onnx", foreign("elsewhere")),
        "UnsafeFormat",
        "Anything of elsewhere",
    )
    yield Hostile(
        "onnx with an unknown operator", put("onnx", foreign("")), "ModelLoadFailed", "Anything"
    )
    yield Hostile("onnx with a loop", put("onnx", endless), "UnsafeFormat", "Loop, which need not")
    yield Hostile("onnx cut off", put("onnx", cut_off), "ModelLoadFailed", "is no onnx file")
    yield Hostile(
        "onnx that is text",
        put("onnx", lambda _: b"import os\n"),
        "ModelLoadFailed",
        "is no onnx file",
    )
    yield Hostile(
        "onnx that is empty", put("onnx", lambda _: b""), "ModelLoadFailed", "is no onnx file"
    )
    yield Hostile(
        "onnx in onnxruntime's own format",
        put("onnx", lambda _: b"\x18\0\0\0ORTM" + bytes(99)),
        "ModelLoadFailed",
        "is no onnx file",
    )
    yield Hostile(
        "onnx of other columns",
        put("onnx", narrow),
        "ModelLoadFailed",
        "takes 29 features, but the manifest describes 30",
    )
    yield Hostile("onnx of another model", put("onnx", other_answers), "GoldenMismatch", "golden")


def _bytes() -> Iterator[Hostile]:
    for name in FILES:
        yield Hostile(f"one bit of {name}", _flipped(name), "DigestMismatch", f"{name} has sha256")
        yield Hostile(f"{name} cut off", _cut(name), "DigestMismatch", f"{name} has sha256")
        yield Hostile(f"{name} too long", _longer(name), "DigestMismatch", f"{name} is longer")
    yield Hostile(
        "one bit of the manifest", _pinned(_flipped("manifest.json")), "DigestMismatch", "is pinned"
    )
    yield Hostile(
        "the manifest cut off", _cut("manifest.json"), "ModelLoadFailed", "is no manifest"
    )
    yield Hostile(
        "a space behind the manifest",
        _pinned(_longer("manifest.json")),
        "DigestMismatch",
        "is pinned",
    )
    yield Hostile("another artifact's manifest", _swapped_manifest, "DigestMismatch", "is pinned")
    yield Hostile("another artifact's model", _swapped_model, "DigestMismatch", "model.skops has")
    yield Hostile(
        "another digest",
        lambda *_: {"model_digest": "sha256:" + "0" * 64},
        "DigestMismatch",
        "is pinned",
    )


def _flipped(name: str) -> Spoil:
    def spoil(artifact: Artifact, _: Path) -> None:
        content = bytearray(artifact.path(name).read_bytes())
        content[len(content) // 2] ^= 1
        artifact.path(name).write_bytes(content)

    return spoil


def _cut(name: str) -> Spoil:
    def spoil(artifact: Artifact, _: Path) -> None:
        os.truncate(artifact.path(name), artifact.path(name).stat().st_size // 2)

    return spoil


def _longer(name: str) -> Spoil:
    def spoil(artifact: Artifact, _: Path) -> None:
        with artifact.path(name).open("ab") as file:
            file.write(b" ")

    return spoil


def _pinned(spoil: Spoil) -> Spoil:
    """With the digest from before pinned."""

    def pinned(artifact: Artifact, canary: Path) -> Settings:
        digest = artifact.digest
        spoil(artifact, canary)
        return {"model_digest": digest}

    return pinned


def _swapped_manifest(artifact: Artifact, _: Path) -> Settings:
    digest = artifact.digest
    artifact.put("skops", skops.io.dumps(LogisticRegression(max_iter=5000).fit(X[:, :2], Y)))
    return {"model_digest": digest}


def _swapped_model(artifact: Artifact, _: Path) -> None:
    other = skops.io.dumps(LogisticRegression(max_iter=5000).fit(X[:, :2], Y))
    artifact.path("model.skops").write_bytes(other[: artifact.path("model.skops").stat().st_size])


def _manifests() -> Iterator[Hostile]:
    def broken(name: str, content: bytes, words: str = "is no manifest") -> Hostile:
        spoil = overwrite("manifest.json", content)
        return Hostile(f"manifest: {name}", spoil, "ModelLoadFailed", words)

    def wrong(name: str, change: Callable[[dict[str, Any]], Any], words: str) -> Hostile:
        return Hostile(f"manifest: {name}", edit(change), "ModelLoadFailed", words)

    yield broken("empty", b"")
    yield broken("no JSON", b"version: 1\n")
    yield broken("a list", b"[]")
    yield broken("UTF-16", '{"schema_version": 1}'.encode("utf-16"))
    yield broken("nested a hundred thousand deep", b"[" * 100_000)
    yield broken("a million empty objects", b"[" + b"{}," * 1_000_000 + b"{}]", "more than 250000")
    yield Hostile(
        "manifest: nine megabytes",
        overwrite("manifest.json", b" " * 9 * MIB),
        "DigestMismatch",
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
    yield Hostile(
        "manifest: an unknown format",
        edit(lambda m: _only(m, "zip")),
        "UnsafeFormat",
        "has zip, but allowed are",
    )
    yield Hostile(
        "manifest: no model", edit(lambda m: _only(m, None)), "UnsafeFormat", "has no model file"
    )
    yield Hostile(
        "manifest: a file that is not there",
        edit(lambda m: m["files"][0].update(path="other.skops")),
        "ModelNotFound",
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


def _models() -> Iterator[Hostile]:
    def golden(change: Callable[[dict[str, Any]], Any]) -> Spoil:
        return edit(lambda manifest: change(manifest["golden"]))

    def model(value: Any) -> Spoil:
        return put("skops", lambda _: skops.io.dumps(value))

    yield Hostile(
        "a class too few",
        edit(lambda m: m["classes"].pop()),
        "ModelLoadFailed",
        r"knows the classes \[0, 1\], but the manifest describes \[0\]",
    )
    yield Hostile(
        "a class too many",
        edit(lambda m: m["classes"].append({"label": 2, "name": "other"})),
        "ModelLoadFailed",
        r"describes \[0, 1, 2\]",
    )
    yield Hostile(
        "classes in another order",
        edit(lambda m: m["classes"].reverse()),
        "ModelLoadFailed",
        r"describes \[1, 0\]",
    )
    yield Hostile(
        "classes of another type",
        edit(lambda m: m["classes"][0].update(label="0")),
        "ModelLoadFailed",
        "describes",
    )
    yield Hostile("a feature too few", edit(_narrow), "ModelLoadFailed", "describes 29")
    yield Hostile(
        "a golden label changed",
        golden(lambda g: g["predictions"].__setitem__(3, 7)),
        "GoldenMismatch",
        "number 4: prediction 7 was",
    )
    yield Hostile(
        "a golden probability changed",
        golden(lambda g: g["probabilities"][5].__setitem__(0, 0.123)),
        "GoldenMismatch",
        "number 6: for class .*, probability 0.123 was",
    )
    yield Hostile(
        "a golden row changed",
        golden(lambda g: g["rows"][2].__setitem__(0, 99.0)),
        "GoldenMismatch",
        "number 3",
    )
    yield Hostile("two columns swapped", edit(_swap_columns), "GoldenMismatch", "golden examples")
    yield Hostile("a list", model([1, 2, 3]), "ModelLoadFailed", "list, which has no predict")
    yield Hostile(
        "an estimator that was never fitted",
        model(LogisticRegression()),
        "ModelLoadFailed",
        "knows the classes",
    )
    yield Hostile(
        "an estimator without predict", model(DBSCAN().fit(X)), "ModelLoadFailed", "has no predict"
    )
    yield Hostile(
        "an estimator of other columns",
        model(LogisticRegression(max_iter=5000).fit(X[:, :2], Y)),
        "ModelLoadFailed",
        "takes 2 features",
    )
    yield Hostile(
        "another model",
        model(DecisionTreeClassifier(random_state=0).fit(X, Y)),
        "GoldenMismatch",
        "golden examples",
    )


def _narrow(manifest: dict[str, Any]) -> None:
    manifest["signature"]["features"].pop()
    for row in manifest["golden"]["rows"]:
        row.pop()


def _swap_columns(manifest: dict[str, Any]) -> None:
    for row in manifest["golden"]["rows"]:
        row[0], row[1] = row[1], row[0]


def _folders() -> Iterator[Hostile]:
    def replaced(name: str, make: Callable[[Path], Any]) -> Spoil:
        def spoil(artifact: Artifact, _: Path) -> None:
            artifact.path(name).unlink()
            make(artifact.path(name))

        return spoil

    def to(target: str) -> Callable[[Path], Any]:
        return lambda path: path.symlink_to(target)

    def gone(artifact: Artifact, _: Path) -> Settings:
        return {"model_path": str(artifact.path("nothing"))}

    for name in ("model.skops", "manifest.json"):
        yield Hostile(
            f"{name}: a link out",
            replaced(name, to("/etc/passwd")),
            "ModelLoadFailed",
            "leads out of",
        )
        yield Hostile(
            f"{name}: a link to a device",
            replaced(name, to("/dev/zero")),
            "ModelLoadFailed",
            "leads out of",
        )
        yield Hostile(
            f"{name}: a link to itself",
            replaced(name, to(name)),
            "ModelLoadFailed",
            "cannot be read",
        )
        yield Hostile(
            f"{name}: a link to nothing",
            replaced(name, to("nothing")),
            "ModelNotFound",
            "does not exist",
        )
        yield Hostile(f"{name}: a pipe", replaced(name, os.mkfifo), "ModelLoadFailed", "is no file")
        yield Hostile(
            f"{name}: a folder",
            replaced(name, Path.mkdir),
            "ModelLoadFailed",
            "is no file|Is a directory",
        )
        yield Hostile(
            f"{name}: missing", replaced(name, lambda _: None), "ModelNotFound", "does not exist"
        )
    yield Hostile("no folder", gone, "ModelNotFound", "nothing does not exist")


def _signatures() -> Iterator[Hostile]:
    def key(artifact: Artifact) -> Settings:
        path = artifact.folder.parent / "key.pub"
        public = ec.generate_private_key(ec.SECP256R1()).public_key()
        path.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        return {"signature_key_file": str(path)}

    def unsigned(artifact: Artifact, _: Path) -> Settings:
        return key(artifact)

    def wrongly(artifact: Artifact, _: Path) -> Settings:
        from model_signing import hashing, signing  # noqa: PLC0415 - two seconds

        path = artifact.folder.parent / "theirs.pem"
        private = ec.generate_private_key(ec.SECP256R1())
        path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        signature = artifact.path("model.sig")
        hashed = hashing.Config().set_ignored_paths(paths=["model.sig"])
        config = signing.Config().use_elliptic_key_signer(private_key=path)
        config.set_hashing_config(hashed).sign(artifact.folder, signature)
        return key(artifact)

    def garbled(artifact: Artifact, _: Path) -> Settings:
        artifact.path("model.sig").write_bytes(pickled("no signature"))
        return key(artifact)

    yield Hostile("signed by nobody", unsigned, "SignatureInvalid", "has no model.sig")
    yield Hostile("signed with another key", wrongly, "SignatureInvalid", "not made with that key")
    yield Hostile("signed with garbage", garbled, "SignatureInvalid", "none that can be read")


def _bombs() -> Iterator[Hostile]:
    limit = {"memory_limit_bytes": str(512 * MIB)}

    def inflating(artifact: Artifact, _: Path) -> Settings:
        schema, files = schema_of(artifact.folder)
        files[next(iter(files))] = bytes(1024 * MIB)
        artifact.put("skops", skops_file(schema, files))
        return limit

    def growing(artifact: Artifact, _: Path) -> Settings:
        artifact.put("joblib", dumped(Calls(operator.mul, b"x", 2**32)))
        return {**limit, "model_formats": "joblib", "model_digest": artifact.digest}

    def absurd(artifact: Artifact, _: Path) -> Settings:
        shape = helper.make_tensor("shape", TensorProto.INT64, [1], [2**40])
        nodes = [
            helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
            helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
            helper.make_node("Add", ["x", "sum"], ["y"]),
        ]
        model = graph(nodes, initializers=[shape], width=30)
        artifact.put("onnx", model.SerializeToString())
        return limit

    def waiting(artifact: Artifact, _: Path) -> Settings:
        artifact.put("joblib", dumped(Calls(sum, range(10**14))))
        pinned = {"model_formats": "joblib", "model_digest": artifact.digest}
        return {**pinned, "load_timeout_seconds": "1"}

    for name, spoil in (("zip", inflating), ("pickle", growing), ("matrix", absurd)):
        yield Hostile(
            f"bomb: a {name}",
            spoil,
            "ModelTooLarge",
            "more than 90% of 512 MiB",
            only_in_process_of_its_own=True,
        )
    yield Hostile(
        "bomb: a sum that never ends",
        waiting,
        "LoadTimeout",
        "within 1 seconds",
        only_in_process_of_its_own=True,
    )
